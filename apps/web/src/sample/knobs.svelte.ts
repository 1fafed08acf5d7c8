import { isOneOf, isWhole, knobs } from '../ui/route.svelte.js';
import type { OpenedModel } from './jobs.js';

export const MODES = ['noise', 'inpaint', 'scribble'] as const;

/** One image of each class, in turn. */
export const EACH_CLASS = -1;
/** As the network draws that is not told of a class. */
export const NO_CLASS = -2;

const MODELS = ['shipped', 'mine'] as const;

export type SampleKnobs = {
  /** Whose model draws: the site's, or the visitor's run on digits. */
  model: (typeof MODELS)[number];
  mode: (typeof MODES)[number];
  /** One of them, `EACH_CLASS` or `NO_CLASS`. */
  class: number;
  guidance: number;
  seed: number;
  /** How far a scribble is noised, of the whole schedule. */
  strength: number;
  /** How far the process is shown before its end, in hundredths. */
  back: number;
  /** The digit of which a part is made anew. */
  digit: number;
  /** That part, encoded; '' for the lower half. */
  mask: string;
  /** What was drawn to start from, encoded; '' for a ring. */
  scribble: string;
  /** `sampler:steps` for those that take another number than the usual one. */
  steps: string;
};

/** What the visitor sets on the page, kept in the address. */
export function sampleKnobs(): SampleKnobs {
  return knobs<SampleKnobs>(
    'sample',
    {
      model: 'shipped',
      mode: 'noise',
      class: EACH_CLASS,
      // As in the preset, so that the command line draws the same.
      guidance: 1,
      seed: 1,
      strength: 0.6,
      back: 0,
      digit: 3,
      mask: '',
      scribble: '',
      steps: '',
    },
    {
      model: isOneOf(MODELS),
      mode: isOneOf(MODES),
      class: isWhole(NO_CLASS, 99),
      guidance: (guidance) => guidance >= 0 && guidance <= 4,
      seed: isWhole(0, 999),
      strength: (strength) => strength >= 0.05 && strength <= 1,
      back: isWhole(0, 100),
      digit: isWhole(0, 9),
    },
  );
}

/** The time up to which a scribble is noised: a whole one, where the model was trained on steps. */
export function noisedUpTo({ steps, end }: OpenedModel, strength: number): number {
  return steps === undefined ? Number((strength * end).toPrecision(3)) : Math.round(strength * end);
}

export function stepsOf({ steps }: SampleKnobs, sampler: string): number {
  return Number(new Map(steps.split(',').map((entry) => entry.split(':') as [string, string])).get(sampler));
}
