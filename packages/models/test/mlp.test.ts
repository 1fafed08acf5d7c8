import { disposeParams, mapParams, type Params, rng, valueAndGrad } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { type MlpConfig, mlp } from '../src/index.js';

const small: MlpConfig = { dimensions: 2, outputs: 2, hidden: 8, layers: 2, timeFeatures: 4, classes: null };
const times = (...values: number[]) => tf.tensor1d(values);
const classes = (...values: number[]) => tf.tensor1d(values, 'int32');

/** Parameters with nothing zeroed, so that everything has an effect. */
function awake(network: ReturnType<typeof mlp>): Params {
  const draw = rng(7);
  return Object.fromEntries(
    Object.entries(network.shapes).map(([name, shape]) => [name, draw.fork(name).normal(shape)]),
  );
}

it('fills in what is left out', () => {
  expect(mlp({ dimensions: 3 }).config).toEqual({
    dimensions: 3,
    outputs: 3,
    hidden: 128,
    layers: 3,
    timeFeatures: 64,
    classes: null,
  });
});

it('a key that is unknown and a number that is not a count are refused by name', () => {
  expect(() => mlp({ ...small, width: 3 } as MlpConfig)).toThrow(
    new RangeError('config has the unknown key "width"'),
  );
  expect(() => mlp({ ...small, layers: 0 })).toThrow(
    new RangeError('layers must be a whole number from 1 on, not 0'),
  );
  expect(() => mlp({ ...small, classes: 1.5 })).toThrow(
    new RangeError('classes must be a whole number from 1 on, not 1.5'),
  );
});

it('a single time feature is refused: it would be a zero, whatever the time', () => {
  expect(() => mlp({ ...small, timeFeatures: 1 })).toThrow(
    new RangeError('timeFeatures must be a whole number from 2 on, not 1'),
  );
});

it('every matrix is laid out as a linear map, but for the table of classes', () => {
  const { layouts, shapes } = mlp({ ...small, classes: 3 });
  const matrices = Object.keys(shapes).filter((name) => shapes[name]!.length === 2);
  expect(Object.keys(layouts)).toEqual(matrices.filter((name) => name !== 'class_embedding.weight'));
  expect(matrices).toHaveLength(2 + 1 + 1 + 2 * 2 + 1);
  for (const layout of Object.values(layouts)) expect(layout).toEqual([1, 0]);
});

it('accepts a label where it knows classes, and nothing else', () => {
  expect(mlp({ ...small, classes: 3 }).accepts).toEqual({ label: { shape: [], dtype: 'int32', below: 3 } });
  expect(mlp(small).accepts).toEqual({});
});

onEachBackend(() => {
  it('a fresh network has the shapes it declares, and gives zeros', () => {
    tf.tidy(() => {
      const network = mlp({ ...small, outputs: 4 });
      const params = network.init(rng(1));
      expect(Object.entries(params).map(([name, { shape }]) => [name, shape])).toEqual(
        Object.entries(network.shapes),
      );
      const y = network.apply(params, rng(2).normal([3, 2]), times(1, 5, 9));
      expect(y.shape).toEqual([3, 4]);
      expect(Array.from(y.dataSync())).toEqual(new Array(12).fill(0));
    });
  });

  it('is output(silu(input(x))) where the layers are zero', () => {
    tf.tidy(() => {
      const network = mlp(small);
      const params = mapParams(awake(network), (tensor, name) =>
        name.includes('.linear.') ? tf.zerosLike(tensor) : tensor,
      );
      const x = rng(2).normal([3, 2]) as tf.Tensor2D;
      const linear = (name: string, y: tf.Tensor) =>
        tf.add(tf.matMul(y as tf.Tensor2D, params[`${name}.weight`] as tf.Tensor2D), params[`${name}.bias`]!);
      const h = linear('input', x);
      expectAllClose(network.apply(params, x, times(1, 5, 9)), linear('output', tf.mul(h, tf.sigmoid(h))));
    });
  });

  it('tells any two times apart with the fewest features, those between whole ones too', () => {
    tf.tidy(() => {
      const network = mlp({ ...small, timeFeatures: 2 });
      const params = awake(network);
      const x = tf.tile(rng(2).normal([1, 2]), [4, 1]);
      const rows = network.apply(params, x, times(0, 0.25, 1, 2)).arraySync() as number[][];
      rows.forEach((row, i) => {
        for (const other of rows.slice(i + 1)) {
          expect(Math.hypot(other[0]! - row[0]!, other[1]! - row[1]!)).toBeGreaterThan(1e-2);
        }
      });
    });
  });

  it('row i of the output depends on row i of the input, its time and its label alone', () => {
    tf.tidy(() => {
      const network = mlp({ ...small, classes: 3 });
      const params = awake(network);
      const x = tf.tile(rng(2).normal([1, 2]), [4, 1]);
      const y = network.apply(params, x, times(1, 1, 900, 1), { label: classes(0, 2, 0, 0) });
      const [first, otherLabel, otherTime, again] = y.arraySync() as number[][];
      expectAllClose(again!, first!);
      for (const other of [otherLabel, otherTime]) {
        expect(Math.hypot(other![0]! - first![0]!, other![1]! - first![1]!)).toBeGreaterThan(1e-2);
      }
    });
  });

  it('the gradient is that of finite differences, in a random direction', () => {
    tf.tidy(() => {
      const network = mlp({ ...small, classes: 2 });
      const params = mapParams(awake(network), (tensor) => tf.mul(tensor, 0.3));
      const x = rng(2).normal([2, 2]);
      const f = (p: Params): tf.Scalar =>
        tf.sum(network.apply(p, x, times(5, 700), { label: classes(1, 0) }));
      const direction = mapParams(params, ({ shape }, name) => rng(4).fork(name).normal(shape));
      const moved = (step: number) =>
        f(mapParams(params, (tensor, name) => tf.add(tensor, tf.mul(direction[name]!, step)))).dataSync()[0]!;
      const step = 3e-3;
      const slope = (8 * (moved(step) - moved(-step)) - (moved(2 * step) - moved(-2 * step))) / (12 * step);
      const { grads } = valueAndGrad(f)(params);
      const expected = Object.entries(grads).reduce(
        (sum, [name, grad]) => sum + tf.sum(tf.mul(grad, direction[name]!)).dataSync()[0]!,
        0,
      );
      expectAllClose(slope, expected, { relative: 2e-3 });
    });
  });

  it('leaves no tensors behind, and refuses what does not fit before it makes one', async () => {
    const network = mlp({ ...small, classes: 2 });
    const params = network.init(rng(1));
    const x = rng(2).normal([2, 2]);
    const t = times(1, 2);
    const label = classes(0, 1);
    await expectNoLeak(() => network.init(rng(1)));
    await expectNoLeak(() => valueAndGrad((p) => tf.sum(network.apply(p, x, t, { label })))(params));
    const wide = tf.zeros([2, 3]);
    const before = tf.memory().numTensors;
    expect(() => network.apply(params, wide, t, { label })).toThrow(
      new RangeError('xt must have shape [batch, 2], not [2,3]'),
    );
    expect(() => network.apply(params, x, t)).toThrow(
      new RangeError('condition.label: this network needs it, int32 of shape [2]'),
    );
    expect(tf.memory().numTensors).toBe(before);
    disposeParams({ ...params, x, t, label, wide });
  });
});
