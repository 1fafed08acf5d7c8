// A solver: the midpoint method, DPM-Solver-2 of Lu et al. 2022 in x_0. It looks at the middle of the step in log-SNR and
// goes the whole way with what it sees there: two evaluations of the network, second order.

import '@tensorflow/tfjs-backend-cpu';
import { exactGaussian } from '@diffusion-ts/analytic';
import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { fixedSmall, reverseProcess, vPrediction } from '@diffusion-ts/reverse-process';
import { firstOrder, fromSolver, type Sampler } from '@diffusion-ts/samplers';
import { logSnrSpaced, type NoiseSchedule, type Times, varianceExploding } from '@diffusion-ts/schedules';
import { axpby, finish } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';

export function midpoint({ schedule, times }: { schedule: NoiseSchedule; times: Times }): Sampler {
  return fromSolver(
    async ({ x, x0, from, to, x0At, own }) => {
      const whole = firstOrder(from, to);
      // The step to the data is infinitely long in log-SNR and has no middle.
      if (to.sigma === 0) return own(() => axpby(whole.ofX, x, whole.ofX0, x0));
      const middle = schedule.level(schedule.timeOf((from.logSnr + to.logSnr) / 2));
      const half = firstOrder(from, middle);
      const there = await x0At(
        own(() => axpby(half.ofX, x, half.ofX0, x0)),
        middle,
      );
      return own(() => axpby(whole.ofX, x, whole.ofX0, there));
    },
    { times },
  );
}

// On data whose flow is known the error falls fourfold when the steps are doubled.
const schedule = varianceExploding({ sigmaMin: 0.01, sigmaMax: 10 });
const data = exactGaussian({ mean: 0, deviation: 0.5 });
const reverse = reverseProcess({
  forward: gaussianDiffusion(schedule),
  denoiser: data.denoiser(schedule, vPrediction),
  predicts: vPrediction,
  variance: fixedSmall,
});
const xT = tf.tensor2d([[10]]);
const exact = data.flow(schedule, xT, schedule.end, schedule.least).dataSync()[0]!;
async function error(steps: number): Promise<number> {
  let last = 0;
  const sampler = midpoint({ schedule, times: logSnrSpaced(steps + 1) });
  await finish(sampler(reverse, xT), async ({ x }) => {
    last = (await x.data())[0]!;
  });
  return Math.abs(last - exact);
}
console.log(Math.round((await error(20)) / (await error(40)))); // 4
