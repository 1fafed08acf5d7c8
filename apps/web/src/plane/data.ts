import { type ExactGaussianMixture, exactGaussianMixture } from '@diffusion-ts/analytic';
import { type Dataset, fromArrays } from '@diffusion-ts/datasets';
import { type PointsConfig, pointsOf } from '@diffusion-ts/recipes';
import { rng } from '@diffusion-ts/tensor';
import type { PlaneConfig } from './config.js';

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
  readonly exact: ExactGaussianMixture | undefined;
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
  if (count < 3) throw new RangeError('Draw at least three points first.');
  const exact = exactGaussianMixture({
    weights: new Array<number>(count).fill(1),
    means: Array.from({ length: count }, (_, i) => [drawn[2 * i]!, drawn[2 * i + 1]!]),
    deviations: new Array<number>(count).fill(DRAWN_DEVIATION),
  });
  const points = exact.sample(rng(seed), SIZE);
  const values = (await points.data()) as Float32Array;
  points.dispose();
  return { dataset: fromArrays({ values, shape: [2] }), exact };
}

/** The distribution that `ringOfGaussians` of datasets draws from. */
function ringOfEight(): ExactGaussianMixture {
  const angles = Array.from({ length: 8 }, (_, k) => (k * Math.PI) / 4);
  return exactGaussianMixture({
    weights: angles.map(() => 1),
    means: angles.map((angle) => [0.8 * Math.cos(angle), 0.8 * Math.sin(angle)]),
    deviations: angles.map(() => 0.05),
  });
}
