import { PRESETS, type Preset } from '@diffusion-ts/recipes';

const { mnist } = PRESETS;

/** A run on digits: the command line's `mnist` preset, but for what is said here. */
export const DIGITS = {
  ...mnist,
  training: {
    ...mnist.training,
    // Whoever watches may stop at any time, and who does not gets better digits than a preset that one waits for.
    steps: 1200,
    // A tab takes larger batches as well as small ones, and its curves are calmer; the visitor may choose another size.
    batch: 64,
    // The first digits are shown after 25 steps, and should have learned something by then.
    warmUp: 50,
    // They are drawn by the averaged weights, which should show what the last hundred steps did, not the last two hundred.
    ema: { kind: 'warmed-up', decay: 0.99 },
  },
} as const satisfies Preset;
