import { type ExactGaussianMixture, exactGaussianMixture } from '@diffusion-ts/analytic';
import { type Dataset, fromArrays } from '@diffusion-ts/datasets';
import { type PointsConfig, pointsOf } from '@diffusion-ts/recipes';
import { rng } from '@diffusion-ts/tensor';
import { LEAST_POINTS, type PlaneConfig } from './config.js';

const SIZE = 8192;
/** Each point drawn by hand stands for a Gaussian of this deviation, so that the data have a density and a score. */
const DRAWN_DEVIATION = 0.03;

type DataOfRun = Pick<PlaneConfig, 'data' | 'drawn' | 'seed'>;

/** The data in the words of a config, which has none for points that are drawn by hand: a mixture of Gaussians, too. */
export function pointsConfigOf({ data, seed }: Pick<DataOfRun, 'data' | 'seed'>): PointsConfig {
  const kind = data === 'mixture' || data === 'drawn' ? 'gaussian-mixture' : data;
  return { kind, size: SIZE, seed, labels: false };
}

/** The data of a run, and their exact distribution where it is known. */
export interface PlaneSource {
  readonly dataset: Dataset;
  readonly exact: ExactPoints | undefined;
}

/** A mixture of Gaussians, and its density. */
export interface ExactPoints extends ExactGaussianMixture {
  /** −log₂ q(x_0) / 2 of a point of the plane: bits per dimension. */
  bits(x: number, y: number): number;
}

/** @throws RangeError where there are too few points drawn by hand. */
export async function planeSource({ data, drawn, seed }: DataOfRun): Promise<PlaneSource> {
  if (data !== 'drawn') {
    return {
      dataset: pointsOf(pointsConfigOf({ data, seed }), 'train'),
      exact: data === 'mixture' ? ringOfEight() : undefined,
    };
  }
  const count = drawn.length / 2;
  if (count < LEAST_POINTS) throw new RangeError('Draw at least three points first.');
  const exact = exactPoints({
    means: Array.from({ length: count }, (_, i) => [drawn[2 * i]!, drawn[2 * i + 1]!]),
    deviation: DRAWN_DEVIATION,
  });
  const points = exact.sample(rng(seed), SIZE);
  const values = (await points.data()) as Float32Array;
  points.dispose();
  return { dataset: fromArrays({ values, shape: [2] }), exact };
}

/** The distribution that `ringOfGaussians` of datasets draws from. */
function ringOfEight(): ExactPoints {
  const angles = Array.from({ length: 8 }, (_, k) => (k * Math.PI) / 4);
  return exactPoints({
    means: angles.map((angle) => [0.8 * Math.cos(angle), 0.8 * Math.sin(angle)]),
    deviation: 0.05,
  });
}

/** Round Gaussians, all alike. */
function exactPoints({
  means,
  deviation,
}: {
  readonly means: readonly (readonly [number, number])[];
  readonly deviation: number;
}): ExactPoints {
  const exact = exactGaussianMixture({
    weights: means.map(() => 1),
    means,
    deviations: means.map(() => deviation),
  });
  const scale = 1 / (2 * Math.PI * deviation ** 2 * means.length);
  return {
    ...exact,
    bits(x, y) {
      const exponents = means.map(([a, b]) => -((x - a) ** 2 + (y - b) ** 2) / (2 * deviation ** 2));
      const largest = Math.max(...exponents);
      const sum = exponents.reduce((total, exponent) => total + Math.exp(exponent - largest), 0);
      return -(Math.log(scale * sum) + largest) / (2 * Math.LN2);
    },
  };
}
