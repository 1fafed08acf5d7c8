import { type AnalyticGaussianMixture, gaussianMixture as exactMixture } from '@diffusion-ts/analytic';
import {
  checkerboard,
  type Dataset,
  fromArrays,
  gaussianMixture,
  moons,
  type PointsOptions,
  spiral,
  swissRoll,
  withoutLabels,
} from '@diffusion-ts/datasets';
import { rng } from '@diffusion-ts/tensor';
import { DRAWN_DEVIATION, type PlaneConfig, type PlaneData } from '../model/plane-config.js';

const SIZE = 8192;

const PRESETS: Readonly<Record<Exclude<PlaneData, 'drawn'>, (options: PointsOptions) => Dataset>> = {
  mixture: gaussianMixture,
  moons,
  spiral,
  'swiss-roll': swissRoll,
  checkerboard,
};

/** The data of a run, and their exact distribution where it is known. */
export interface PlaneSource {
  readonly dataset: Dataset;
  readonly exact: AnalyticGaussianMixture | undefined;
}

/** @throws RangeError where there are too few points drawn by hand. */
export async function planeSource({
  data,
  drawn,
  seed,
}: Pick<PlaneConfig, 'data' | 'drawn' | 'seed'>): Promise<PlaneSource> {
  if (data !== 'drawn') {
    return {
      dataset: withoutLabels(PRESETS[data]({ size: SIZE, seed })),
      exact: data === 'mixture' ? ringOfEight() : undefined,
    };
  }
  const count = drawn.length / 2;
  if (count < 3) throw new RangeError('Draw at least three points first.');
  const exact = exactMixture({
    weights: new Array<number>(count).fill(1),
    means: Array.from({ length: count }, (_, i) => [drawn[2 * i]!, drawn[2 * i + 1]!]),
    deviations: new Array<number>(count).fill(DRAWN_DEVIATION),
  });
  const points = exact.sample(rng(seed), SIZE);
  const values = (await points.data()) as Float32Array;
  points.dispose();
  return { dataset: fromArrays({ values, shape: [2] }), exact };
}

/** The distribution that `gaussianMixture` of datasets draws from. */
function ringOfEight(): AnalyticGaussianMixture {
  const angles = Array.from({ length: 8 }, (_, k) => (k * Math.PI) / 4);
  return exactMixture({
    weights: angles.map(() => 1),
    means: angles.map((angle) => [0.8 * Math.cos(angle), 0.8 * Math.sin(angle)]),
    deviations: angles.map(() => 0.05),
  });
}
