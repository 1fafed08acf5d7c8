import type { Preset } from '../config/schema.js';

/** Points of the plane: learned in a minute, and every part of the theory can be seen at work. */
function points(kind: 'moons' | 'swiss-roll'): Preset {
  return {
    data: { kind },
    model: { _class_name: 'MLP' },
    process: { schedule: { kind: 'cosine', steps: 100 }, predicts: 'v' },
    training: {
      steps: 5000,
      batch: 256,
      learningRate: 3e-3,
      warmUp: 100,
      decay: 'cosine',
      ema: { kind: 'warmed-up', decay: 0.995 },
      labelDropout: 0,
      checkpointEvery: 1000,
      sampleEvery: 1000,
    },
    sampling: { sampler: 'ancestral', steps: null, count: 2000 },
  };
}

export const moons: Preset = points('moons');
export const swissRoll: Preset = points('swiss-roll');
