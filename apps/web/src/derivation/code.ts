// The code that computes each term, read from the packages when the site is built.

import gaussianSource from '../../../../packages/forward-process/src/gaussian.ts?raw';
import termSource from '../../../../packages/losses/src/bound-term.ts?raw';
import simpleSource from '../../../../packages/losses/src/simple.ts?raw';
import termsSource from '../../../../packages/losses/src/variational-bound-terms.ts?raw';
import betweenSource from '../../../../packages/schedules/src/between.ts?raw';
import { excerpt } from './excerpt.js';

const GAUSSIAN = 'forward-process/src/gaussian.ts';
const TERM = 'losses/src/bound-term.ts';

export const DERIVATION_CODE = {
  bound: excerpt(
    'losses/src/variational-bound-terms.ts',
    termsSource,
    'export async function variationalBoundTerms',
    ['const prior =', 'await readBoundTerm(', 'const bitsPerDim ='],
  ),
  prior: excerpt(TERM, termSource, 'export function priorBits', ['.kl(forward.prior(']),
  transition: excerpt(TERM, termSource, 'export function boundTerm', [
    'forward.posterior(x0, xt, t, s).kl(p)',
  ]),
  posterior: excerpt('schedules/src/between.ts', betweenSource, 'export function between', [
    'const c =',
    'ofX0:',
    'ofXt:',
    'variance:',
  ]),
  kl: excerpt(GAUSSIAN, gaussianSource, 'kl(p) {', [
    'const delta =',
    'const ofMeans =',
    'tf.add(surplus(delta), ofMeans)',
  ]),
  reconstruction: excerpt(GAUSSIAN, gaussianSource, 'logProb(x) {', ['2 * Math.PI']),
  simple: excerpt('losses/src/simple.ts', simpleSource, 'export function predictionError', [
    'tf.sub(prediction, reverse.target(',
  ]),
} as const;
