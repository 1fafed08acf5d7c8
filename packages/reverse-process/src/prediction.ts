import { between, type NoiseLevel, type NoiseSchedule } from '@diffusion-ts/schedules';

/** How x_0 follows from x_t and what a network F says of it: x_0 = skip · x_t + out · F(in · x_t, told). */
export interface Coefficients {
  /** The factor of x_t. */
  readonly skip: number;
  /** The factor of what the network says. */
  readonly out: number;
  /** What x_t is multiplied by before the network sees it; default 1. */
  readonly in?: number;
  /** What the network is told of the time; default the time itself. */
  readonly told?: number;
  /** Where F is itself the mean of p_θ(x_s | x_t) for one time s: that time. It takes no other step. */
  readonly meanAt?: number;
}

/**
 * What a network is asked for. Every prediction is affine in the data, so that all there is to know of one is its
 * coefficients at a noise level: what to train on, how to sample and how an error weighs follow from them.
 */
export interface Prediction {
  /** As configs and checkpoints call it. */
  readonly name: string;
  /**
   * Its coefficients at a noise level of the schedule.
   * @throws RangeError where it cannot be asked of such a schedule.
   */
  at(level: NoiseLevel, schedule: NoiseSchedule): Coefficients;
}

/** F = ε, the noise in x_t (Ho et al. 2020). There is no x_0 in it where no signal is left, α = 0. */
export const epsilonPrediction: Prediction = {
  name: 'epsilon',
  at: ({ alpha, sigma }) => ({ skip: 1 / alpha, out: -sigma / alpha }),
};

/** F = x_0, the data. */
export const x0Prediction: Prediction = { name: 'x0', at: () => ({ skip: 0, out: 1 }) };

/** F = v = α ε − σ x_0, the velocity of Salimans and Ho 2022, good at every level. */
export const vPrediction: Prediction = {
  name: 'v',
  at({ alpha, sigma }) {
    const power = alpha ** 2 + sigma ** 2;
    return { skip: alpha / power, out: -sigma / power };
  },
};

/**
 * F = ε − x_0, the velocity of rectified flow (Liu et al. 2023) and flow matching (Lipman et al. 2023) from the data to
 * the noise. The network is told 1000 σ/(α + σ), which on the straight path is 1000 t.
 */
export const flowPrediction: Prediction = {
  name: 'flow',
  at({ alpha, sigma }) {
    const sum = alpha + sigma;
    return { skip: 1 / sum, out: -sigma / sum, told: (1000 * sigma) / sum };
  },
};

/**
 * The preconditioning of Karras et al. 2022, table 1, for data of deviation `sigmaData`, 0.5 by default: input and target
 * have unit variance at every level, and the network is told ln(σ)/4. On a schedule that shrinks the signal, x_t/α and σ/α
 * stand for x_t and σ.
 * @throws RangeError if `sigmaData` is not a positive number.
 */
export function edmPrediction({
  sigmaData = 0.5,
}: {
  /** The deviation of the data, positive; default 0.5, as in the paper. */
  sigmaData?: number;
} = {}): Prediction {
  if (!(sigmaData > 0 && sigmaData < Infinity)) {
    throw new RangeError(`sigmaData must be a positive number, not ${sigmaData}`);
  }
  return {
    name: 'edm',
    at({ alpha, sigma, logSnr }) {
      const power = sigma ** 2 + (alpha * sigmaData) ** 2;
      return {
        skip: (alpha * sigmaData ** 2) / power,
        out: (sigma * sigmaData) / Math.sqrt(power),
        in: 1 / Math.sqrt(power),
        told: -logSnr / 8,
      };
    },
  };
}

/**
 * F = μ̃_t(x_t, x_0), the mean of the step before (Ho et al. 2020, eq. 7), of a discrete schedule; it takes no other steps
 * than those that it was trained on.
 * @throws RangeError (its coefficients) where time is continuous.
 */
export const previousMeanPrediction: Prediction = {
  name: 'previous',
  at(level, schedule) {
    if (schedule.steps === undefined) {
      throw new RangeError(
        'a network that predicts the previous mean needs a discrete schedule: in continuous time there is no previous step',
      );
    }
    const { ofX0, ofXt } = between(schedule.level(level.t - 1), level);
    return { skip: -ofXt / ofX0, out: 1 / ofX0, meanAt: level.t - 1 };
  },
};

/**
 * What a network says on any schedule that was trained to predict `predicts` on this one. Schedules differ by how time runs
 * and by a factor of x_t alone (Karras et al. 2022, appendix B; Kingma and Gao 2023, section 2): at the same log-SNR x'_t =
 * c x_t, so that x_0 = skip x'_t + out F(in x'_t, told) is affine in x_t too. Diffusion and flow matching are so one thing in
 * two coordinates, and a network of the one draws in the steps of the other. Beyond the ends of its own schedule it is asked
 * as there.
 * @throws RangeError (its coefficients) if the network predicts the previous mean, which is that of its own steps.
 * @example
 * // A network of DDPM, walked along the straight path of rectified flow.
 * const predicts = trainedOn(cosine({ steps: 1000 }), vPrediction);
 * const reverse = reverseProcess({ forward: gaussianDiffusion(rectified()), denoiser, predicts, variance: fixedSmall });
 */
export function trainedOn(schedule: NoiseSchedule, predicts: Prediction): Prediction {
  const [first, last] = [schedule.least, schedule.end].map((t) => schedule.level(t).logSnr) as [
    number,
    number,
  ];
  return {
    name: predicts.name,
    at({ alpha, sigma, logSnr }) {
      const own = schedule.level(schedule.timeOf(Math.min(Math.max(logSnr, last), first)));
      const { skip, out, in: scale = 1, told = own.t, meanAt } = predicts.at(own, schedule);
      if (meanAt !== undefined) {
        throw new RangeError(
          'a network that predicts the previous mean can be asked on its own schedule alone',
        );
      }
      const c = Math.hypot(own.alpha, own.sigma) / Math.hypot(alpha, sigma);
      return { skip: skip * c, out, in: scale * c, told };
    },
  };
}

/** The predictions by their names: what a config says is looked up here. */
export const PREDICTIONS: Readonly<Record<'epsilon' | 'x0' | 'v' | 'flow' | 'edm' | 'previous', Prediction>> =
  {
    epsilon: epsilonPrediction,
    x0: x0Prediction,
    v: vPrediction,
    flow: flowPrediction,
    edm: edmPrediction(),
    previous: previousMeanPrediction,
  };
