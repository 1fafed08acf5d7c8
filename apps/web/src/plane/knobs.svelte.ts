import { SCHEDULES } from '../forward/schedules.js';
import { addressWith, isOneOf, isWhole, knobs } from '../ui/route.svelte.js';
import { PLANE_DATA, PLANE_LOSSES, PLANE_PREDICTIONS, type PlaneConfig } from './config.js';
import { decodePoints, encodePoints } from './drawn-points.js';

export const STEPS = [25, 50, 100, 200, 500] as const;
export const VIEWS = ['particles', 'paths', 'score'] as const;

export type PlaneKnobs = {
  data: (typeof PLANE_DATA)[number];
  schedule: (typeof SCHEDULES)[number];
  T: (typeof STEPS)[number];
  predicts: (typeof PLANE_PREDICTIONS)[number];
  loss: (typeof PLANE_LOSSES)[number];
  seed: number;
  view: (typeof VIEWS)[number];
  /** How many frames before the end of the reverse process the picture stands. */
  back: number;
  /** Points drawn by hand, encoded. */
  drawn: string;
};

const DEFAULTS: PlaneKnobs = {
  data: 'mixture',
  schedule: 'cosine',
  T: 100,
  // An error of ε where little signal is left is a huge one of x₀: the paths of ε have kinks, and those of v have none.
  predicts: 'v',
  loss: 'simple',
  seed: 0,
  view: 'particles',
  back: 0,
  drawn: '',
};

/** What the visitor sets on the page, kept in the address. */
export function planeKnobs(): PlaneKnobs {
  return knobs<PlaneKnobs>('plane', DEFAULTS, {
    data: isOneOf(PLANE_DATA),
    schedule: isOneOf(SCHEDULES),
    T: isOneOf(STEPS),
    predicts: isOneOf(PLANE_PREDICTIONS),
    loss: isOneOf(PLANE_LOSSES),
    seed: isWhole(0, 99),
    view: isOneOf(VIEWS),
    back: isWhole(0, 99),
  });
}

/** The run that the knobs describe. */
export function configOf({ data, schedule, T, predicts, loss, seed, drawn }: PlaneKnobs): PlaneConfig {
  const points = data === 'drawn' ? decodePoints(drawn) : new Float32Array();
  return { data, drawn: points, schedule, steps: T, predicts, loss, seed };
}

/** The knobs that describe a run. */
export function knobsOf({ drawn, steps, ...config }: PlaneConfig): Partial<PlaneKnobs> {
  return {
    ...config,
    T: steps as PlaneKnobs['T'],
    ...(config.data === 'drawn' && { drawn: encodePoints(drawn) }),
  };
}

/** Where the page shows a run. */
export function addressOfRun(config: PlaneConfig): string {
  return addressWith('plane', { ...DEFAULTS, ...knobsOf(config) }, DEFAULTS);
}

export function sameConfig(a: PlaneConfig, b: PlaneConfig): boolean {
  return JSON.stringify({ ...a, drawn: [] }) === JSON.stringify({ ...b, drawn: [] }) && sameData(a, b);
}

export function sameData(a: PlaneConfig, b: PlaneConfig): boolean {
  return a.data === b.data && a.drawn.length === b.drawn.length && a.drawn.every((x, i) => x === b.drawn[i]);
}
