import type { Preset } from '../config/schema.js';
import { binaryHeartbeat } from './binary-heartbeat.js';
import { cifar10Ddpm } from './cifar10-ddpm.js';
import { fashionMnist } from './fashion-mnist.js';
import { images, images64 } from './images.js';
import { mnist } from './mnist.js';
import { mnist7 } from './mnist-7.js';
import { mnistBinary } from './mnist-binary.js';
import { mnistClassifier } from './mnist-classifier.js';
import { mnistEdm } from './mnist-edm.js';
import { mnistFlow } from './mnist-flow.js';
import { mnistLatent } from './mnist-latent.js';
import { mnistSuperres } from './mnist-superres.js';
import { mnistVae } from './mnist-vae.js';
import { mnistVdm } from './mnist-vdm.js';
import { names } from './names.js';
import { moons, swissRoll } from './points.js';
import { swissRoll2015 } from './swiss-roll-2015.js';

/**
 * Runs to start from, by their names. What one leaves out takes its default where it is parsed.
 * @example
 * const config = parseConfig({ ...PRESETS.mnist, sampling: { sampler: 'ddim', steps: 50 } }, 'my config');
 */
export const PRESETS = {
  mnist,
  'fashion-mnist': fashionMnist,
  'cifar10-ddpm': cifar10Ddpm,
  moons,
  'swiss-roll': swissRoll,
  images,
  'images-64': images64,
  'mnist-vae': mnistVae,
  'mnist-latent': mnistLatent,
  'mnist-vdm': mnistVdm,
  'mnist-edm': mnistEdm,
  'mnist-flow': mnistFlow,
  'mnist-7': mnist7,
  'mnist-superres': mnistSuperres,
  'mnist-classifier': mnistClassifier,
  'binary-heartbeat': binaryHeartbeat,
  'mnist-binary': mnistBinary,
  names,
  'swiss-roll-2015': swissRoll2015,
} as const satisfies Readonly<Record<string, Preset>>;
