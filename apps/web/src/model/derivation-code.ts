// The code that computes each term, read from the packages when the site is built.

import forwardSource from '../../../../packages/forward-process/src/gaussian-diffusion.ts?raw';
import decoderSource from '../../../../packages/losses/src/decoder.ts?raw';
import klSource from '../../../../packages/losses/src/gaussian-kl.ts?raw';
import simpleSource from '../../../../packages/losses/src/simple.ts?raw';
import termsSource from '../../../../packages/losses/src/variational-bound-terms.ts?raw';
import { excerpt } from './excerpt.js';

const TERMS = 'losses/src/variational-bound-terms.ts';

export const DERIVATION_CODE = {
  bound: excerpt(TERMS, termsSource, 'export async function variationalBoundTerms', [
    'const prior =',
    'const bits = await read(termBits',
    'const bitsPerDim =',
  ]),
  prior: excerpt(TERMS, termsSource, 'function priorBits', ['klBits(reverse.forward.prior(x0)']),
  transition: excerpt(TERMS, termsSource, 'function termBits', [
    'klBits(reverse.forward.posterior(x0, xt, t), p)',
  ]),
  posterior: excerpt('forward-process/src/gaussian-diffusion.ts', forwardSource, 'posterior(x0, xt, t) {', [
    'posteriorMeanCoefX0',
    'posteriorMeanCoefXt',
    'lookup(schedule.posteriorVariance',
  ]),
  kl: excerpt('losses/src/gaussian-kl.ts', klSource, 'export function gaussianKl', [
    'const ofVariances',
    'const ofMeans',
    '0.5',
  ]),
  reconstruction: excerpt('losses/src/decoder.ts', decoderSource, 'function logDensity', ['2 * Math.PI']),
  simple: excerpt('losses/src/simple.ts', simpleSource, 'export function simple', [
    'reverse.network(xt, t, condition)',
    'predictionError(',
  ]),
} as const;
