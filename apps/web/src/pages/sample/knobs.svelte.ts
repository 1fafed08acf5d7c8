import { isOneOf, isWhole, knobs } from '../../route.svelte.js';

export const MODES = ['noise', 'inpaint', 'scribble'] as const;

export type SampleKnobs = {
  mode: (typeof MODES)[number];
  /** −1 for all of them. */
  class: number;
  guidance: number;
  seed: number;
  /** How far a scribble is noised, of the whole schedule. */
  strength: number;
  /** `sampler:steps` for those that take another number than the usual one. */
  steps: string;
};

/** What the visitor sets on the page, kept in the address. */
export function sampleKnobs(): SampleKnobs {
  return knobs<SampleKnobs>(
    'sample',
    { mode: 'noise', class: -1, guidance: 0.5, seed: 1, strength: 0.6, steps: '' },
    {
      mode: isOneOf(MODES),
      class: isWhole(-1, 99),
      guidance: (guidance) => guidance >= 0 && guidance <= 4,
      seed: isWhole(0, 999),
      strength: (strength) => strength >= 0.05 && strength <= 1,
    },
  );
}

export function stepsOf({ steps }: SampleKnobs, sampler: string): number {
  return Number(new Map(steps.split(',').map((entry) => entry.split(':') as [string, string])).get(sampler));
}
