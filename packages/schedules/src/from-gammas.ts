import { checkList } from './check.js';
import { fromBetas } from './from-betas.js';
import type { DiscreteSchedule } from './schedule.js';

/**
 * The variance-preserving schedule with these γ = −log-SNR at its steps, α² = sigmoid(−γ) (Kingma et al. 2021, eq. 3),
 * from the least noise to the most.
 *
 * @throws TypeError where `gammas` is no list of numbers; RangeError where it is empty or γ does not rise.
 */
export function fromGammas(gammas: ArrayLike<number>): DiscreteSchedule {
  checkList('gammas', gammas);
  for (let i = 1; i < gammas.length; i++) {
    if (gammas[i]! > gammas[i - 1]!) continue;
    throw new RangeError(
      `gammas[${i}] is ${gammas[i]}, expected more than gammas[${i - 1}], ${gammas[i - 1]}: noise grows`,
    );
  }
  // ln ᾱ = −softplus(γ), whose differences keep the digits that those of ᾱ near 1 would lose.
  const softplus = Float64Array.from(gammas, (gamma) => Math.log1p(Math.exp(gamma)));
  return fromBetas(softplus.map((value, i) => -Math.expm1((softplus[i - 1] ?? 0) - value)));
}
