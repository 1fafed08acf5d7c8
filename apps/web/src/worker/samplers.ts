import * as samplers from '@diffusion-ts/samplers';

type Named = Readonly<Record<string, unknown>>;

/** What the package exports beside samplers. */
const OTHERS: ReadonlySet<string> = new Set(['guided', 'ddimInversion']);

export type MakeSampler = (options: { steps: number }) => samplers.Sampler;

/** Every sampler of the package by its name: one that is added there appears in the lab by itself. */
export const SAMPLERS: Readonly<Record<string, MakeSampler>> = Object.fromEntries(
  Object.entries(samplers as Named).filter(
    (entry): entry is [string, MakeSampler] => typeof entry[1] === 'function' && !OTHERS.has(entry[0]),
  ),
);
