import { exactGaussian } from '@diffusion-ts/analytic';
import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import {
  atOnce,
  fixedLarge,
  fixedSmall,
  type GaussianReverseProcess,
  reverseProcess,
  vPrediction,
  x0Prediction,
} from '@diffusion-ts/reverse-process';
import {
  between,
  cosine,
  every,
  karras,
  lastOf,
  linear,
  type NoiseLevel,
  type NoiseSchedule,
  rectified,
  rescaleToZeroTerminalSnr,
  trailing,
  varianceExploding,
} from '@diffusion-ts/schedules';
import { axpby, finish, rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import {
  type Batch,
  diagonal,
  distance,
  inverse,
  moments,
  product,
  sum,
  toBatch,
  transposed,
} from '../src/conformance/batch.js';
import {
  ancestral,
  ddim,
  ddimInversion,
  dpmSolverPlusPlus,
  inpainted,
  lerp,
  repaint,
  type Sampler,
  sdedit,
  slerp,
} from '../src/index.js';

/** Gaussian data in the plane whose two numbers depend on each other, and their perfect network. */
const MEAN = [0.3, -0.2];
const COVARIANCE = [
  [0.5, 0.42],
  [0.42, 0.6],
];
/** E[x_0 | x_t] = m + α C (α² C + σ² I)⁻¹ (x_t − α m): the matrix of that. */
function gainAt({ alpha, sigma }: NoiseLevel): number[][] {
  const marginal = sum([alpha ** 2, COVARIANCE], [sigma ** 2, diagonal([1, 1])]);
  return sum([alpha, product(COVARIANCE, inverse(marginal))]);
}
function correlated(schedule: NoiseSchedule): GaussianReverseProcess {
  return reverseProcess({
    forward: gaussianDiffusion(schedule),
    predicts: x0Prediction,
    variance: fixedSmall,
    denoiser(xt, told) {
      const level = schedule.level(told.dataSync()[0]!);
      const centred = tf.sub(xt, tf.tensor1d(MEAN.map((m) => level.alpha * m)));
      return tf.add(
        tf.matMul(centred as tf.Tensor2D, tf.tensor2d(gainAt(level)), false, true),
        tf.tensor1d(MEAN),
      );
    },
  });
}

const IMAGE = [0.5, -0.8, 0.1, 0.9];
const KNOWN = [true, false, true, false];
const SHAPE = [2, 2];
const pixels = () => ({
  image: tf.tensor3d(IMAGE, [1, 2, 2]),
  known: tf.tensor3d(KNOWN, [1, 2, 2], 'bool'),
});
const schedule = cosine({ steps: 100 });
const data = exactGaussian({ mean: 0.2, deviation: 0.6 });
const reverse = reverseProcess({
  forward: gaussianDiffusion(schedule),
  denoiser: data.denoiser(schedule, vPrediction),
  predicts: vPrediction,
  variance: fixedLarge,
});

const ran = async (
  sampler: Sampler,
  process = reverse as Parameters<Sampler>[0],
  seed = 1,
): Promise<Batch> => {
  const xT = rng(0).normal([3, ...SHAPE]);
  const x0 = await finish(sampler(process, xT, { rng: rng(seed) }));
  const batch = toBatch(x0);
  tf.dispose([xT, x0]);
  return batch;
};

onEachBackend(() => {
  describe('inpainting by replacement', () => {
    test('moves what is known by the posterior of its x_0 and the rest by p_θ, each with its variance', () => {
      tf.tidy(() => {
        const xt = rng(1).normal([3, ...SHAPE]);
        const [t, s] = [70, 40];
        const { ofX0, ofXt, variance } = between(schedule.level(s), schedule.level(t));
        const evaluation = atOnce(inpainted(reverse, pixels()).evaluate(xt, t));
        const plain = atOnce(reverse.evaluate(xt, t));
        const { mean, logVariance } = evaluation.to(s);
        const x = [...xt.dataSync()];
        const [own, seen] = [plain.to(s), plain.x0()].map((of) => [
          ...('mean' in of ? of.mean : of).dataSync(),
        ]) as [number[], number[]];
        const each = (there: (pixel: number, i: number) => number, made: (i: number) => number): number[] =>
          x.map((_, i) => (KNOWN[i % 4] ? there(IMAGE[i % 4]!, i) : made(i)));
        expectAllClose(
          mean,
          each(
            (pixel, i) => ofX0 * pixel + ofXt * x[i]!,
            (i) => own[i]!,
          ),
        );
        const large = Math.log(between(schedule.level(s), schedule.level(t)).beta);
        expectAllClose(
          logVariance as tf.Tensor,
          each(
            () => Math.log(variance),
            () => large,
          ),
        );
        expectAllClose(
          evaluation.x0(),
          each(
            (pixel) => pixel,
            (i) => seen[i]!,
          ),
        );
      });
    });

    test('of what begins as the noised image a deterministic sampler makes the noised image at every level', async () => {
      for (const schedule of [cosine({ steps: 100 }), varianceExploding({ sigmaMax: 20 }), rectified()]) {
        const noise = rng(2).normal([1, 2]);
        const { alpha, sigma } = schedule.level(schedule.end);
        const [image, known] = [tf.tensor2d([[0.7, 0]]), tf.tensor2d([[1, 0]], [1, 2], 'bool')];
        const xT = axpby(alpha, image, sigma, noise);
        const run = dpmSolverPlusPlus({ times: trailing(6) })(
          inpainted(correlated(schedule), { image, known }),
          xT,
        );
        for (let next = await run.next(); !next.done; next = await run.next()) {
          const { from, x } = next.value;
          expectAllClose(x.dataSync()[0]!, from.alpha * 0.7 + from.sigma * noise.dataSync()[0]!, {
            relative: 1e-4,
            absolute: 1e-5,
          });
        }
      }
    });

    test('ends with what is known, with every kind of sampler, and makes the rest', async () => {
      const { image, known } = pixels();
      for (const sampler of [
        ddim(),
        ancestral(),
        dpmSolverPlusPlus(),
        repaint({ jump: 3, resamplings: 2, times: trailing(7) }),
      ]) {
        for (const row of await ran(sampler, inpainted(reverse, { image, known }))) {
          row.forEach((x, k) => {
            if (KNOWN[k]) expect(Math.abs(x - IMAGE[k]!)).toBeLessThan(1e-6);
            else expect(Math.abs(x - IMAGE[k]!)).toBeGreaterThan(1e-3);
          });
        }
      }
    });
  });
});

onEachBackend(() => {
  describe('RePaint', () => {
    /** Where the steps begin and lead to. */
    const way = async (sampler: Sampler): Promise<[number, number][]> => {
      const steps: [number, number][] = [];
      const xT = rng(0).normal([1, 2]);
      const run = sampler(correlated(linear({ steps: 8, start: 0.05, end: 0.6 })), xT, { rng: rng(1) });
      for (let next = await run.next(); !next.done; next = await run.next())
        steps.push([next.value.from.t, next.value.to.t]);
      return steps;
    };

    test('goes every stretch but the last again and again', async () => {
      expect(await way(repaint({ jump: 3, resamplings: 2 }))).toEqual([
        ...[
          [7, 6],
          [6, 5],
          [5, 4],
          [7, 6],
          [6, 5],
          [5, 4],
        ],
        ...[
          [4, 3],
          [3, 2],
          [2, 1],
          [4, 3],
          [3, 2],
          [2, 1],
        ],
        ...[
          [1, 0],
          [0, -1],
        ],
      ]);
    });

    test('with a jump of one is algorithm 1, in which each step but the last is taken again', async () => {
      expect(await way(repaint({ jump: 1, resamplings: 3, times: trailing(2) }))).toEqual([
        [7, 3],
        [7, 3],
        [7, 3],
        [3, -1],
      ]);
    });

    test('once is the ancestral sampler, to the last bit', async () => {
      expect(await ran(repaint({ jump: 4, resamplings: 1 }))).toEqual(await ran(ancestral()));
    });

    /**
     * The mean and the variance of the second number where the first is known, after these stretches of steps: all that is
     * done to x is affine, so that its mean and its covariance go on by themselves.
     */
    function law(
      schedule: NoiseSchedule,
      times: Float64Array,
      known: number,
      repeats: (end: number) => number,
    ) {
      const levels = Array.from(times, (t) => schedule.level(t));
      let [mean, covariance]: [number[][], number[][]] = [[[0], [0]], diagonal([1, 1])];
      const affine = (matrix: Batch, offset: readonly number[], variance: number): void => {
        mean = product(matrix, mean).map(([x], i) => [x! + offset[i]!]);
        covariance = sum(
          [1, product(product(matrix, covariance), transposed(matrix))],
          [variance, diagonal([1, 1])],
        );
      };
      levels.slice(1).forEach((to, i) => {
        const from = levels[i]!;
        const last = i + 2 === levels.length;
        for (let n = 0; n < repeats(i + 1); n++) {
          if (n > 0)
            affine(diagonal([1, 1].map(() => from.alpha / to.alpha)), [0, 0], between(to, from).beta);
          const gain = gainAt(from).map((row, k) => (k === 0 ? [0, 0] : row));
          const seen = [known, MEAN[1]! - from.alpha * (gain[1]![0]! * MEAN[0]! + gain[1]![1]! * MEAN[1]!)];
          const { ofX0, ofXt, variance } = between(to, from);
          affine(
            sum([ofX0, gain], [ofXt, diagonal([1, 1])]),
            seen.map((x) => ofX0 * x),
            last ? 0 : variance,
          );
        }
      });
      return { mean: mean[1]![0]!, variance: covariance[1]![1]! };
    }

    test('fits what it makes to what is known, as its law says and better than replacement does', async () => {
      const [count, steps, known] = [1500, 25, 1.1];
      const schedule = rescaleToZeroTerminalSnr(cosine({ steps: 100 }));
      const times = trailing(steps);
      const given = { image: tf.tensor2d([[known, 0]]), known: tf.tensor2d([[1, 0]], [1, 2], 'bool') };
      const process = inpainted(correlated(schedule), given);
      const xT = rng(3).normal([count, 2]);
      // Of x_0 the second given the first.
      const slope = COVARIANCE[0]![1]! / COVARIANCE[0]![0]!;
      const exact = {
        mean: MEAN[1]! + slope * (known - MEAN[0]!),
        variance: COVARIANCE[1]![1]! - slope * COVARIANCE[0]![1]!,
      };
      const far: { mean: number; variance: number }[] = [];
      for (const resamplings of [1, 5]) {
        const x0 = await finish(repaint({ times, jump: 1, resamplings })(process, xT, { rng: rng(4) }));
        const { mean, covariance } = moments(toBatch(x0).map((row) => [row[1]!]));
        x0.dispose();
        const expected = law(schedule, times(schedule), known, (end) => (end === steps ? 1 : resamplings));
        const { variance } = expected;
        // Five standard errors.
        expectAllClose(mean[0]!, expected.mean, { relative: 0, absolute: 5 * Math.sqrt(variance / count) });
        expectAllClose(covariance[0]![0]!, variance, { relative: 5 * Math.sqrt(2 / count), absolute: 0 });
        far.push({
          mean: Math.abs(expected.mean - exact.mean),
          variance: Math.abs(variance - exact.variance),
        });
      }
      const [replaced, repainted] = far as [(typeof far)[0], (typeof far)[0]];
      expect(repainted.mean).toBeLessThan(replaced.mean / 2);
      expect(repainted.variance).toBeLessThan(replaced.variance);
      tf.dispose([given.image, given.known, xT]);
    });
  });

  describe('SDEdit', () => {
    test('begins at the image noised up to the first of its times, and goes on as its sampler does', async () => {
      for (const [process, times] of [
        [reverse, lastOf(0.4, trailing(10))],
        [correlated(varianceExploding()), lastOf(0.5, karras({ steps: 8 }))],
        [correlated(rectified()), lastOf(1, trailing(4))],
      ] as const) {
        const image = rng(5).normal([2, 2]);
        const start = process.forward.schedule.level(times(process.forward.schedule)[0]!);
        const expected = axpby(start.alpha, image, start.sigma, rng(6).fork('start').normal([2, 2]));
        const edit = sdedit((times) => ancestral({ times }), times);
        const run = edit(process, image, { rng: rng(6) });
        const first = await run.next();
        expectAllClose((first.value as { x: tf.Tensor }).x, expected, { absolute: 1e-6 });
        const end = await finish(run);
        const direct = await finish(ancestral({ times })(process, expected, { rng: rng(6) }));
        expectAllClose(end, direct, { absolute: 1e-5 });
      }
    });

    test('keeps of an image what is coarser than its noise: more strength, less of it', async () => {
      const image = tf.fill([400, 1], 1.9);
      const kept: number[] = [];
      for (const strength of [0.1, 0.5, 1]) {
        const edit = sdedit((times) => ddim({ times }), lastOf(strength, trailing(40)));
        const x0 = await finish(edit(reverse, image, { rng: rng(1) }));
        // The mean of x_0 from that of x_t is the flow’s, which keeps the distance in deviations.
        const level = schedule.level(lastOf(strength, trailing(40))(schedule)[0]!);
        const spread = Math.hypot(level.alpha * 0.6, level.sigma);
        const expected = 0.2 + (0.6 * level.alpha * (1.9 - 0.2)) / spread;
        kept.push(moments(toBatch(x0)).mean[0]!);
        // Five standard errors of 400 draws, and what 40 steps miss.
        expectAllClose(kept.at(-1)!, expected, { relative: 0, absolute: (5 * 0.6) / 20 + 0.02 });
      }
      expect(kept[0]!).toBeGreaterThan(kept[1]! + 0.3);
      expect(kept[1]!).toBeGreaterThan(kept[2]! + 0.3);
    });

    test('edits an example as it would alone', async () => {
      const edit = sdedit((times) => ancestral({ times }), lastOf(0.3, trailing(10)));
      const image = rng(5).normal([3, 2, 2]);
      const together = await finish(edit(reverse, image, { rng: rng(1) }));
      const last = await finish(edit(reverse, tf.slice(image, [2], [1]), { rng: rng(1).rows(2) }));
      expectAllClose(tf.slice(together, [2], [1]), last, { absolute: 1e-6 });
    });
  });

  describe('between two latents', () => {
    const ends = () => tf.tensor3d([3, 0, 0, 4, 0, 1, -2, 0], [2, 2, 2]);

    test('lerp goes along the line', () => {
      tf.tidy(() => {
        expectAllClose(lerp(ends(), [0, 0.25, 1]), [3, 0, 0, 4, 2.25, 0.25, -0.5, 3, 0, 1, -2, 0]);
      });
    });

    test('slerp goes along the circle, at one speed, and ends where it should to the last bit', () => {
      tf.tidy(() => {
        const latents = tf.stack([rng(1).normal([50]), rng(2).normal([50])]);
        const weights = [0, 0.2, 0.5, 0.7, 1];
        const rows = toBatch(slerp(latents, weights));
        const [a, b] = toBatch(latents) as [number[], number[]];
        expect([rows[0], rows.at(-1)]).toEqual([a, b]);
        const dot = (x: readonly number[], y: readonly number[]): number =>
          x.reduce((sum, value, i) => sum + value * y[i]!, 0);
        const unit = (x: readonly number[]): number[] => x.map((value) => value / Math.sqrt(dot(x, x)));
        const angle = Math.acos(dot(unit(a), unit(b)));
        // Of unequal ends the angle is that of the circle only where their lengths are the same.
        const equal = toBatch(slerp(tf.tensor2d([unit(a), unit(b)]), weights));
        equal.forEach((row, i) => {
          expectAllClose(Math.sqrt(dot(row, row)), 1, { absolute: 1e-5 });
          if (i > 0) expectAllClose(Math.acos(dot(row, unit(a))), weights[i]! * angle, { absolute: 1e-5 });
        });
      });
    });

    test('of one direction it is the line, which is where the circle has no way', () => {
      tf.tidy(() => {
        const same = tf.tensor2d([
          [1, 2],
          [2, 4],
        ]);
        expectAllClose(slerp(same, [0.5]), [1.5, 3]);
        expectAllClose(slerp(tf.zeros([2, 2]), [0.5]), [0, 0]);
      });
    });

    test('two images, encoded, mixed and decoded, are the ends of what lies between', async () => {
      const images = tf.tensor2d([
        [0.9, 0.1],
        [-0.6, -1],
      ]);
      const errors: number[] = [];
      for (const steps of [100, 200]) {
        const schedule = linear({ steps });
        const process = reverseProcess({
          forward: gaussianDiffusion(schedule),
          denoiser: data.denoiser(schedule, vPrediction),
          predicts: vPrediction,
          variance: fixedSmall,
        });
        const xT = await finish(ddimInversion()(process, images));
        const x0 = await finish(ddim()(process, slerp(xT, [0, 0.3, 1])));
        // The flow keeps the distance from the mean, in deviations, so that what is between is known too.
        const expected = data.flow(schedule, slerp(data.flow(schedule, images, -1, steps - 1), [0, 0.3, 1]));
        const [ends, middle] = [toBatch(expected), toBatch(x0)];
        expectAllClose([...ends[0]!, ...ends[2]!], [...images.dataSync()], { absolute: 1e-4 });
        errors.push(distance(middle, ends));
      }
      expect(errors[1]).toBeLessThan(0.05);
      expect(errors[0]! / errors[1]!).toBeGreaterThan(1.7);
    });

    test('refuse what are not two', () => {
      expect(() => slerp(tf.zeros([3, 2]), [0])).toThrow('ends must be two latents, [2, …], not shape [3,2]');
      expect(() => lerp(null as unknown as tf.Tensor, [0])).toThrow('ends must be a tensor, not null');
    });
  });

  test('whatever edits frees all it had, done, aborted or refused', async () => {
    const { image, known } = pixels();
    const xT = rng(0).normal([2, ...SHAPE]);
    const edit = sdedit((times) => ancestral({ times }), lastOf(0.5, trailing(6)));
    for (const run of [
      (signal?: AbortSignal) =>
        repaint({ times: trailing(4), jump: 2, resamplings: 2 })(inpainted(reverse, { image, known }), xT, {
          rng: rng(1),
          ...(signal && { signal }),
        }),
      (signal?: AbortSignal) => edit(reverse, xT, { rng: rng(1), ...(signal && { signal }) }),
    ]) {
      await expectNoLeak(() => finish(run()));
      await expectNoLeak(async () => {
        const controller = new AbortController();
        const steps = run(controller.signal);
        await steps.next();
        controller.abort(new Error('enough'));
        await expect(steps.next()).rejects.toThrow('enough');
      });
      await expectNoLeak(async () => {
        const steps = run();
        await steps.next();
        await steps.return(undefined as never);
      });
    }
    const ends = tf.ones([2, 3]);
    await expectNoLeak(() => [slerp(ends, [0.5]), lerp(ends, [0.5])]);
    ends.dispose();
    tf.dispose([image, known, xT]);
  });

  test('what cannot be edited is refused in a sentence', () => {
    const { image, known } = pixels();
    const xt = tf.zeros([3, ...SHAPE]);
    expect(() => inpainted(reverse, { image, known: image })).toThrow(
      'known must be bool, true where to stay, not float32',
    );
    expect(() => inpainted(reverse, { image: [1] as never, known })).toThrow(
      'image must be a tensor, not an array',
    );
    for (const wrong of [tf.zeros([2, 2, 2]), tf.zeros([2, 2]), tf.zeros([1, 2, 3])]) {
      expect(() => inpainted(reverse, { image: wrong, known }).evaluate(xt, 3)).toThrow(
        `image must be like the samples, [3,2,2], or 1 along an axis, not [${wrong.shape}]`,
      );
    }
    for (const n of [0, 1.5, Number.NaN]) {
      expect(() => repaint({ jump: n })).toThrow(`jump must be a whole number from 1 on, not ${n}`);
      expect(() => repaint({ resamplings: n })).toThrow(
        `resamplings must be a whole number from 1 on, not ${n}`,
      );
    }
    expect(() => repaint()(reverse, xt)).toThrow('options.rng is missing, and this sampler draws noise');
    expect(() => sdedit((times) => ddim({ times }), every())(reverse, xt)).toThrow('options.rng is missing');
    expect(() => lastOf(0, every())).toThrow('share must be above 0 and at most 1, not 0');
  });
}, ['cpu']);
