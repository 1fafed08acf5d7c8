import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import {
  atOnce,
  epsilonPrediction,
  fixedSmall,
  type GaussianEvaluation,
  type GaussianReverseProcess,
  learnedRange,
  type Prediction,
  reverseProcess,
  type Variance,
  vPrediction,
  x0Prediction,
} from '@diffusion-ts/reverse-process';
import { linear, trailing } from '@diffusion-ts/schedules';
import { type Condition, type Denoiser, finish } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { product, sum, toBatch, toTensor } from '../src/conformance/batch.js';
import { eventually } from '../src/conformance/eventually.js';
import { NOISE, SHAPE, skewed } from '../src/conformance/mixing-data.js';
import { ddim, type GuidanceOptions, guided } from '../src/index.js';
import { end, record } from './running.js';

const MIX = [
  [1, -0.5],
  [0.25, 2],
];

/** Mixes the elements of an example, and adds a function of what each is told: of the time, its label and its image. */
const mixing: Denoiser = (xt, told, condition) =>
  tf.tidy(() => {
    const { label, image } = condition!;
    const mixed = tf.matMul(xt as tf.Tensor2D, tf.tensor2d(MIX));
    const each = tf.add(tf.mul(told, 0.01), tf.add(tf.cast(label!, 'float32'), tf.sum(image!, 1)));
    return tf.add(mixed, tf.mul(tf.expandDims(each, 1), tf.tensor2d([[1, -2]])));
  });

/** The same on the host, for one example. */
function mixed(x: readonly number[], told: number, label: number, image: readonly number[]): number[] {
  const each = told * 0.01 + label + image.reduce((total, value) => total + value, 0);
  return product([x], MIX)[0]!.map((value, k) => value + each * (k === 0 ? 1 : -2));
}

const X = [
  [0.5, -1],
  [2, 0.25],
  [-0.75, 1.5],
];
const TOLD = [5, 40, 300];
const LABELS = [0, 2, 1];
const IMAGES = [
  [0.1, 0.2],
  [-0.4, 0.3],
  [0.6, 0.5],
];
const NONE = 3;

/** What is asked about those three, freed with the tidy around it. */
function question(): [tf.Tensor, tf.Tensor1D, Condition] {
  const label = tf.tensor1d(LABELS, 'int32');
  return [tf.tensor2d(X), tf.tensor1d(TOLD), { label, image: tf.tensor2d(IMAGES) }];
}

function withoutLabel(): Condition {
  return { label: tf.tensor1d([NONE], 'int32') };
}

/** The process of a network that says x_0, so that it is told the time and sees x_t as they are. */
function saying(denoiser: Denoiser, variance: Variance = fixedSmall): GaussianReverseProcess {
  const forward = gaussianDiffusion(linear({ steps: 1000 }));
  return reverseProcess({ forward, denoiser, predicts: x0Prediction, variance });
}

/** What a guided network is asked, and all that it says. */
function lead(
  denoiser: Denoiser,
  options: GuidanceOptions,
  variance?: Variance,
): (
  xt: tf.Tensor,
  told: tf.Tensor1D,
  condition?: Condition,
) => ReturnType<GaussianReverseProcess['evaluate']> {
  const reverse = guided(saying(denoiser, variance), options);
  return (xt, told, condition) => reverse.evaluate(xt, Float64Array.from(told.dataSync()), condition);
}

function said(evaluation: GaussianEvaluation | Promise<GaussianEvaluation>): tf.Tensor {
  return atOnce(evaluation).prediction;
}

onEachBackend(() => {
  test('the output is (1 + w) · conditional − w · free, example by example', () => {
    for (const scale of [-1, -0.3, 0.5, 4]) {
      tf.tidy(() => {
        const output = said(lead(mixing, { scale, empty: withoutLabel() })(...question()));
        const expected = X.map((x, i) => {
          const conditional = mixed(x, TOLD[i]!, LABELS[i]!, IMAGES[i]!);
          // What `empty` does not name is told in both halves.
          const free = mixed(x, TOLD[i]!, NONE, IMAGES[i]!);
          return conditional.map((c, k) => (1 + scale) * c - scale * free[k]!);
        });
        expectAllClose(output, expected.flat(), { absolute: 1e-5 });
      });
    }
  });

  test('several tensors can be hidden at once, each of its own shape and type', () => {
    tf.tidy(() => {
      const empty = { ...withoutLabel(), image: tf.tensor2d([[-9, 1]]) };
      const output = said(lead(mixing, { scale: 1, empty })(...question()));
      const expected = X.map((x, i) => {
        const free = mixed(x, TOLD[i]!, NONE, [-9, 1]);
        return mixed(x, TOLD[i]!, LABELS[i]!, IMAGES[i]!).map((c, k) => 2 * c - free[k]!);
      });
      expectAllClose(output, expected.flat(), { absolute: 1e-5 });
    });
  });

  test('both halves are evaluated at once, in a batch of twice the size', () => {
    tf.tidy(() => {
      const seen: unknown[] = [];
      const network: Denoiser = (xt, told, condition) => {
        seen.push(
          toBatch(xt),
          [...told.dataSync()],
          [...condition!.label!.dataSync()],
          toBatch(condition!.image!),
        );
        return tf.clone(xt);
      };
      lead(network, { scale: 1, empty: withoutLabel() })(...question());
      const rounded = IMAGES.map((image) => image.map(Math.fround));
      expect(seen).toEqual([
        [...X, ...X],
        [...TOLD, ...TOLD],
        [...LABELS, NONE, NONE, NONE],
        [...rounded, ...rounded],
      ]);
    });
  });

  test('a learned variance is that of the conditional half, unguided', () => {
    tf.tidy(() => {
      const network: Denoiser = (...asked) => {
        const prediction = mixing(...asked) as tf.Tensor;
        return tf.concat([prediction, tf.mul(prediction, 10)], -1);
      };
      const { prediction, raw } = atOnce(
        lead(network, { scale: 2, empty: withoutLabel() }, learnedRange)(...question()),
      );
      toBatch(tf.concat([prediction, raw!], -1)).forEach((row, i) => {
        const conditional = mixed(X[i]!, TOLD[i]!, LABELS[i]!, IMAGES[i]!);
        const free = mixed(X[i]!, TOLD[i]!, NONE, IMAGES[i]!);
        const expected = [...sum([3, [conditional]], [-2, [free]])[0]!, ...conditional.map((c) => 10 * c)];
        expectAllClose(row, expected, { absolute: 1e-4 });
      });
    });
  });

  test('guiding ε and guiding v are the same thing', async () => {
    const schedule = linear({ steps: 50 });
    const process = (predicts: Prediction, empty: Condition): ReturnType<typeof reverseProcess> => {
      const plain = skewed.process(schedule, predicts);
      return guided(plain, { scale: 1.5, empty });
    };
    const empty = { factor: tf.tensor1d([0.3]) };
    const ofEpsilon = await record(ddim({ times: trailing(8) }), process(epsilonPrediction, empty), NOISE);
    const ofV = await record(ddim({ times: trailing(8) }), process(vPrediction, empty), NOISE);
    expectAllClose(ofV.x0.flat(2), ofEpsilon.x0.flat(2), { relative: 1e-3, absolute: 1e-3 });
    // It is (1 + w) x̂_0 − w x̂_0 without the condition.
    ofV.x0.forEach((shown, step) => {
      const at = ofV.from[step]!;
      const expected = sum(
        [2.5, skewed.x0(ofV.x[step]!, at, [1, 0.6, 1.4])],
        [-1.5, skewed.x0(ofV.x[step]!, at, [0.3, 0.3, 0.3])],
      );
      expectAllClose(shown.flat(), expected.flat(), { relative: 1e-4, absolute: 1e-4 });
    });
    empty.factor.dispose();
  });

  test('a network that answers later is guided to the same numbers, and leaves nothing behind', async () => {
    const empty = withoutLabel();
    await expectNoLeak(async () => {
      const asked = question();
      const [now, later] = [mixing, eventually(mixing)].map((network) =>
        lead(network, { scale: 2, empty })(...asked),
      );
      expect(later).toBeInstanceOf(Promise);
      const { prediction } = await later!;
      expect(toBatch(prediction)).toEqual(toBatch(said(now!)));
      return [said(now!), prediction, asked[0], asked[1], asked[2]];
    });
    tf.dispose(empty as tf.NamedTensorMap);
  });
});

onEachBackend(() => {
  test('a sampler draws what the guided network of its process says, at once or later', async () => {
    const plain = skewed.process(linear({ steps: 50 }), vPrediction);
    const empty = { factor: tf.tensor1d([0.5]) };
    const run = (denoiser: Denoiser): ReturnType<typeof end> => {
      const steered = guided({ ...plain, denoiser }, { scale: 1, empty });
      return end(ddim({ times: trailing(5) }), steered, NOISE);
    };
    const reached = await run(plain.denoiser);
    expect(await run(eventually(plain.denoiser))).toEqual(reached);
    expect(reached).not.toEqual(await end(ddim({ times: trailing(5) }), plain, NOISE));
    empty.factor.dispose();
  });

  test('a scale of 0 is the network itself', () => {
    const empty = withoutLabel();
    const reverse = saying(mixing);
    expect(guided(reverse, { scale: 0, empty })).toBe(reverse);
    tf.dispose(empty as tf.NamedTensorMap);
  });

  for (const [what, network] of [
    ['answers at once', mixing],
    ['hands back its input', (xt) => xt],
    ['fails', () => expect.fail('no network')],
    ['fails later', eventually(() => expect.fail('no network'))],
    ['returns too few channels', (xt) => tf.sum(xt, -1, true)],
    ['returns too few channels later', eventually((xt) => tf.sum(xt, -1, true))],
  ] satisfies (readonly [string, Denoiser])[]) {
    test(`around a network that ${what} it leaves no tensor behind, and what it was given is whole`, async () => {
      const empty = withoutLabel();
      await expectNoLeak(async () => {
        const asked = question();
        const answer = await Promise.resolve()
          .then(() => lead(network, { scale: 2, empty })(...asked))
          .then(({ prediction }) => prediction)
          .catch((error: unknown) => {
            expect(what).toMatch(/fails|too few/);
            expect(error).toBeInstanceOf(Error);
          });
        const given = [asked[0], asked[1], ...Object.values(asked[2]), ...Object.values(empty)];
        expect(given.map(({ isDisposed }) => isDisposed)).not.toContain(true);
        return [asked[0], asked[1], asked[2], answer ?? []];
      });
      tf.dispose(empty as tf.NamedTensorMap);
    });
  }

  test('without a condition, or one that has what is hidden, there is nothing to guide to, and it says so', () => {
    tf.tidy(() => {
      const network = lead(mixing, { scale: 1, empty: withoutLabel() });
      const [xt, told, { image }] = question();
      expect(() => network(xt, told)).toThrow(TypeError);
      expect(() => network(xt, told)).toThrow('condition is missing, and guidance needs one to guide to');
      expect(() => network(xt, told, { image: image! })).toThrow(RangeError);
      expect(() => network(xt, told, { image: image! })).toThrow('condition: "label" is missing');
    });
  });

  test('in a run of a sampler a missing condition is said, and nothing is left', async () => {
    const empty = { factor: tf.tensor1d([0.5]) };
    const plain = skewed.process(linear({ steps: 50 }), vPrediction);
    const steered = guided(plain, { scale: 1, empty });
    const start = toTensor(NOISE, SHAPE);
    const before = tf.memory().numTensors;
    await expect(finish(ddim()(steered, start))).rejects.toThrow('condition is missing');
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose([start, empty.factor]);
  });
}, ['cpu']);

test('a scale that is not finite and an empty condition that hides nothing are refused', () => {
  const empty = { label: tf.tensor1d([NONE], 'int32') };
  for (const scale of [Number.NaN, Number.POSITIVE_INFINITY])
    expect(() => guided(saying(mixing), { scale, empty })).toThrow(
      `scale must be a finite number, not ${scale}`,
    );
  expect(() => guided(saying(mixing), { scale: 1, empty: {} })).toThrow(
    'empty must hold what is told without a condition',
  );
  empty.label.dispose();
});
