// A schedule: the cosine one, shifted for images of 256 pixels a side as Hoogeboom et al. 2023 ("simple diffusion") do.
// A function of the log-SNR is all it takes; everything else follows from it.

import { continuous, type NoiseSchedule, trailing } from '@diffusion-ts/schedules';

export function shiftedCosine({ pixels }: { pixels: number }): NoiseSchedule {
  const shift = 2 * Math.log(64 / pixels);
  return continuous((u) => -2 * Math.log(Math.tan((Math.PI * u) / 2)) + shift);
}

const schedule = shiftedCosine({ pixels: 256 });
const { alpha, sigma, logSnr } = schedule.level(0.5);
console.log(alpha.toFixed(4), sigma.toFixed(4), logSnr.toFixed(4)); // 0.2425 0.9701 -2.7726
console.log((alpha ** 2 + sigma ** 2).toFixed(12)); // 1.000000000000
console.log(schedule.timeOf(logSnr)); // 0.5
console.log([...trailing(4)(schedule)].join()); // 1,0.75,0.5,0.25,0
