import { readFileSync } from 'node:fs';
import type { Dataset } from '@diffusion-ts/datasets';
import { parseConfig, type RunConfig, runConfig } from '../src/config/index.js';

type Settings = Readonly<Record<string, unknown>>;

/** A setting by its path, and its value. */
export type Setting = readonly [path: string, value: unknown];

/** The settings with some of them changed. */
export function changed(settings: Settings, ...changes: readonly Setting[]): Settings {
  return changes.reduce((all, [path, value]) => put(all, path.split('.'), value), settings);
}

function put(settings: Settings, [key, ...rest]: string[], value: unknown): Settings {
  const inside = rest.length === 0 ? value : put((settings[key!] ?? {}) as Settings, rest, value);
  return { ...settings, [key!]: inside };
}

/** Points in two classes for a network of a few parameters, in ten steps of a cosine schedule. */
export const TINY: Settings = {
  data: { kind: 'moons', size: 32 },
  model: {
    _class_name: 'MLP',
    dimensions: 2,
    outputs: 2,
    hidden: 4,
    layers: 1,
    timeFeatures: 4,
    classes: null,
  },
  process: { schedule: { kind: 'cosine', steps: 10 }, predicts: 'v' },
  training: { batch: 8, learningRate: 0.01, labelDropout: 0 },
  sampling: { steps: 5, count: 4 },
};

/** The same with classes, some of them hidden in training. */
export const LABELLED: Settings = changed(
  TINY,
  ['data.labels', true],
  ['model.classes', 3],
  ['training.labelDropout', 0.25],
  ['sampling.guidance', 1],
);

export function tiny(...changes: readonly Setting[]): RunConfig {
  return parseConfig(changed(TINY, ...changes), 'tiny');
}

export function labelled(...changes: readonly Setting[]): RunConfig {
  return parseConfig(changed(LABELLED, ...changes), 'labelled');
}

/** A dataset of which nothing but its form is asked. */
export function data(shape: readonly number[], classes?: number): Dataset {
  return {
    size: 1,
    shape,
    range: [-1, 1],
    ...(classes !== undefined && { classes: Array.from({ length: classes }, (_, k) => String(k)) }),
    batch: () => Promise.reject(new Error('no batch')),
  };
}

/** A JSON file of the fixtures. */
export function fixture(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8'));
}

/** What is left of a schema of zod: enough to find the names in it. */
interface Schema {
  readonly def: {
    readonly innerType?: Schema;
    readonly shape?: Readonly<Record<string, Schema>>;
    readonly options?: readonly Schema[];
    readonly entries?: Readonly<Record<string, string>>;
    readonly values?: readonly unknown[];
  };
}

/** Every value that the schema accepts for the setting at a path, of a setting that is one of some names. */
export function namesAt(path: string): string[] {
  const keys = path.split('.');
  return [...new Set(namesIn(runConfig as unknown as Schema, keys))];
}

function namesIn({ def }: Schema, keys: readonly string[]): string[] {
  if (def.innerType !== undefined) return namesIn(def.innerType, keys);
  if (def.options !== undefined) return def.options.flatMap((option) => namesIn(option, keys));
  if (keys.length === 0) return def.entries ? Object.keys(def.entries) : (def.values ?? []).map(String);
  const inside = def.shape?.[keys[0]!];
  return inside === undefined ? [] : namesIn(inside, keys.slice(1));
}
