import { type Dataset, heartbeat, names } from '@diffusion-ts/datasets';
import type { RunConfig } from './config/schema.js';
import type { Split } from './points.js';

type Kind = RunConfig['data']['kind'];

/** How many classes each element of the data has, where they are classes and not numbers. */
const CLASSES: Readonly<Partial<Record<Kind, number>>> = { 'mnist-binary': 2, heartbeat: 2, names: 27 };

/** How many classes each element of the data has; undefined where they are numbers. */
export function classesOf({ kind }: Pick<RunConfig['data'], 'kind'>): number | undefined {
  return CLASSES[kind];
}

/** The `data` of a config whose examples are sequences of classes. */
export type SequencesConfig = Extract<RunConfig['data'], { kind: 'heartbeat' | 'names' }>;

/** Whether the data are sequences of classes. */
export function isSequences(config: RunConfig['data']): config is SequencesConfig {
  return config.kind === 'heartbeat' || config.kind === 'names';
}

/**
 * The sequences of a config; heartbeats to be tested on are drawn anew, names are the same.
 * @throws RangeError where `size` or the seed is out of range; to be tested on, the seed is one more.
 */
export function sequencesOf(config: SequencesConfig, split: Split): Dataset {
  if (config.kind === 'names') return names();
  const { size, seed } = config;
  return heartbeat({ size, seed: split === 'train' ? seed : seed + 1 });
}
