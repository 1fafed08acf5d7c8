import { classesOf, type Network } from '@diffusion-ts/recipes';
import type { GaussianReverseProcess } from '@diffusion-ts/reverse-process';
import { dequantised, flowBitsPerDim, flowLikelihood, rademacher, unitVectors } from '@diffusion-ts/samplers';
import { rng } from '@diffusion-ts/tensor';
import { Refusal } from '../errors.js';
import { ofAll, shareOf, together } from '../shared.js';
import { checkData, type EvaluateOptions, inOrder, standardError, withoutClass } from './evaluate-run.js';
import { partOf, withParts } from './parts.js';

/** What the probability flow tells of examples. */
export interface OdeBits {
  /** How many examples. */
  readonly images: number;
  /** Whether the network was told the class. */
  readonly density: string;
  /** −log₂ p in bits per dimension: of images that of their bins, by uniform dequantisation; of points of the density. */
  readonly odeBits: number;
  /** Of that mean over the examples; none of a single one. */
  readonly odeBitsStandardError?: number;
}

/** Of a step; what it costs is far below the standard error. */
const TOLERANCE = 1e-3;

/** How many examples go along the flow together at most: with the activations of a gradient. They share their steps. */
export function odePartOf(network: Network): number {
  return Math.ceil(partOf(network) / 4);
}

/**
 * The likelihood of the first examples of a dataset by the probability flow of weights, of which each rank follows its share.
 * @throws Refusal where the data have no density, or stand for others.
 */
export async function odeBits(options: Omit<EvaluateOptions, 'timesteps' | 'repeats'>): Promise<OdeBits> {
  const { config, built, params, dataset, seed, unconditional = false, signal, onImages } = options;
  checkData(options);
  if (built.classifier !== undefined) {
    throw new Refusal('--ode is for runs that draw: a classifier has no density.', { exitCode: 2 });
  }
  if (classesOf(config.data) !== undefined || config.process.noise !== 'gaussian') {
    throw new Refusal('--ode is for images and points: classes have no probability flow.', { exitCode: 2 });
  }
  if (config.data.kind === 'latents' || built.latentShape !== undefined) {
    throw new Refusal(
      '--ode is for images and points: latents are not what their bits would be counted of.',
      {
        exitCode: 2,
      },
    );
  }
  const { network } = built;
  const count = Math.min(options.limit, dataset.size);
  const dimensions = network.shape.reduce((product, n) => product * n, 1);
  const random = rng(seed).fork('likelihood');
  const process = built.process(params);
  // A clipped prediction has no divergence.
  const reverse = { ...(process as unknown as GaussianReverseProcess), clip: false };
  try {
    const most = odePartOf(network);
    const share = shareOf(count, most);
    const follow = async (part: number): Promise<number[]> => {
      const found: number[] = [];
      const examples = inOrder(dataset, share, part);
      for await (const { x0, condition } of unconditional ? withoutClass(examples, built) : examples) {
        const rows = (name: string) => random.fork(name).rows(share.first + found.length);
        const x = network.isImage ? dequantised(x0, rows('bins')) : x0;
        try {
          const nats = await flowLikelihood(reverse, x, {
            vectors: network.isImage ? rademacher(rows('signs')) : unitVectors,
            tolerance: TOLERANCE,
            ...(condition && { condition }),
            ...(signal && { signal }),
          });
          const values = await nats.data();
          nats.dispose();
          found.push(...flowBitsPerDim(values, { dimensions, ...(network.isImage && { width: 1 / 127.5 }) }));
        } finally {
          if (x !== x0) x.dispose();
        }
        onImages?.((found.length * count) / share.own);
      }
      return found;
    };
    const bits = (
      await ofAll(await together(() => withParts(Math.min(most, share.own), follow), signal))
    ).flat();
    const told = network.classes !== undefined && !unconditional;
    return {
      images: count,
      density: told ? 'p(x | class)' : 'p(x)',
      odeBits: bits.reduce((sum, value) => sum + value, 0) / count,
      ...(count > 1 && { odeBitsStandardError: standardError(bits) }),
    };
  } finally {
    process.dispose();
  }
}
