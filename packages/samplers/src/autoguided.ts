import type { GaussianReverseProcess } from '@diffusion-ts/reverse-process';
import { type Denoiser, described } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type Guidance, guide, type Pair, type Said, say } from './guidance.js';

/** How far samples are led away from what a weaker network says. */
export interface AutoguidanceOptions extends Guidance {
  /**
   * A denoiser of the same data, prediction and condition that is worse in the same way: smaller, or from an earlier step of
   * the same training.
   */
  readonly bad: Denoiser;
}

/**
 * The process with autoguidance (Karras et al. 2024, "Guiding a diffusion model with a bad version of itself"): away from
 * the mistakes that a worse network makes more of, and towards no class in particular. Their w is the 1 + `scale` of here.
 * Two evaluations where there was one.
 *
 * @throws RangeError if the scale is not finite, the interval is empty or `rescale` is not from 0 to 1; TypeError if `bad` is
 * no function; when evaluated, RangeError if one of the two networks answers in another shape.
 */
export function autoguided(
  reverse: GaussianReverseProcess,
  { bad, ...guidance }: AutoguidanceOptions,
): GaussianReverseProcess {
  if (typeof bad !== 'function')
    throw new TypeError(`bad must be a function of (xt, told, condition), not ${described(bad)}`);
  return guide(reverse, guidance, (process, condition) => (xt, t) => {
    const worse = { ...process, denoiser: bad };
    const beside = (good: Said): Pair | Promise<Pair> => {
      const pair = ({ prediction, raw }: Said): Pair => {
        raw?.dispose();
        return { good, bad: prediction };
      };
      const failed = (error: unknown): never => {
        tf.dispose(good);
        throw error;
      };
      try {
        const said = say(worse, xt, t, condition);
        return said instanceof Promise ? said.then(pair, failed) : pair(said);
      } catch (error) {
        return failed(error);
      }
    };
    const good = say(process, xt, t, condition);
    return good instanceof Promise ? good.then(beside) : beside(good);
  });
}
