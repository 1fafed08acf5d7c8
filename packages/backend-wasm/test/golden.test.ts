import { readFileSync } from 'node:fs';
import { paramsFromSafetensors } from '@diffusion-ts/checkpoints';
import { unet, unetConfig } from '@diffusion-ts/models';
import { adamWStep } from '@diffusion-ts/ops';
import { disposeParams, type Layouts, mapParams, type Params, valueAndGrad } from '@diffusion-ts/tensor';
import { expectAllClose, golden, goldenPath } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { useWasm } from '../src/index.js';

const tensors = (name: string, file: string, layouts?: Layouts): Params =>
  paramsFromSafetensors(readFileSync(goldenPath(`${name}/${file}.safetensors`)), layouts);

/** PyTorch's images, NCHW. */
const images = (x: tf.Tensor | undefined): tf.Tensor => tf.transpose(x!, [0, 2, 3, 1]);

beforeAll(() => useWasm());

describe.each(['unet-mnist', 'unet-class-conditional', 'unet-ddpm-cifar'])('%s', (name) => {
  it('has the output, loss and gradient norms of PyTorch', () =>
    tf.tidy(() => {
      const expected = golden<{ loss: number; grad_l2: Record<string, number> }>(`${name}/expected`);
      const model = unet(unetConfig(golden(`${name}/config`)));
      const params = tensors(name, 'diffusion_pytorch_model', model.layouts);
      const { x, t, target, y, class_labels: label } = tensors(name, 'io');
      const condition = label && { label };
      const apply = (p: Params): tf.Tensor => model.apply(p, images(x), t as tf.Tensor1D, condition);
      expectAllClose(apply(params), images(y), { relative: 2e-5, absolute: 2e-5 });
      const learned = model.config.out_channels === 2 * model.config.in_channels;
      const { value, grads } = valueAndGrad((p) => {
        const [mean] = learned ? tf.split(apply(p), 2, 3) : [apply(p)];
        return tf.mean(tf.square(tf.sub(mean!, images(target))));
      })(params);
      expectAllClose(value, expected.loss);
      for (const [parameter, norm] of Object.entries(expected.grad_l2)) {
        expectAllClose(tf.norm(grads[parameter]!), norm, { relative: 3e-5, absolute: 1e-6 });
      }
    }));
});

it('six AdamW steps of unet-mnist with clipping and EMA are those of PyTorch, one by one', () => {
  interface Golden {
    loss: number[];
    grad_norm: number[];
    final_sum: Record<string, number>;
    ema_sum: Record<string, number>;
  }
  const expected = golden<Golden>('training-unet-mnist');
  const model = unet(unetConfig(golden('unet-mnist/config')));
  const filled = (f: (i: number) => number): tf.Tensor =>
    tf.tensor(
      Float32Array.from({ length: 4 * 28 * 28 }, (_, i) => f(i)),
      [4, 28, 28, 1],
    );
  const betas = Float64Array.from({ length: 1000 }, (_, t) => 1e-4 + ((0.02 - 1e-4) * t) / 999);
  let alphaBar = 1;
  const alphaBars = betas.map((beta) => {
    alphaBar *= 1 - beta;
    return alphaBar;
  });

  let params = tensors('unet-mnist', 'diffusion_pytorch_model', model.layouts);
  let m = mapParams(params, (p) => tf.zerosLike(p));
  let v = mapParams(params, (p) => tf.zerosLike(p));
  let ema = mapParams(params, (p) => tf.clone(p));
  for (let s = 0; s < 6; s++) {
    const t = Array.from({ length: 4 }, (_, b) => (37 * s + 251 * b + 13) % 1000);
    const [xt, noise] = tf.tidy(() => {
      const x0 = filled((i) => Math.sin(i * (0.11 + 0.01 * s) + 0.3));
      const noise = filled((i) => Math.SQRT2 * Math.cos(0.77 * i + s));
      const column = (f: (t: number) => number): tf.Tensor => tf.tensor(t.map(f), [4, 1, 1, 1]);
      const signal = tf.mul(
        x0,
        column((t) => Math.sqrt(alphaBars[t]!)),
      );
      return [
        tf.add(
          signal,
          tf.mul(
            noise,
            column((t) => Math.sqrt(1 - alphaBars[t]!)),
          ),
        ),
        noise,
      ] as const;
    });
    const { value, grads } = valueAndGrad((p) =>
      tf.mean(tf.square(tf.sub(model.apply(p, xt, tf.tensor1d(t, 'int32')), noise))),
    )(params);
    const next = adamWStep({
      params,
      grads,
      m,
      v,
      step: s + 1,
      learningRate: 1e-3,
      betas: [0.9, 0.999],
      epsilon: 1e-8,
      weightDecay: 0.01,
      maxGradNorm: 1,
      ema: { params: ema, decay: 0.9 },
    });
    expectAllClose(value, expected.loss[s]!, { relative: 1e-4 });
    expectAllClose(next.norms.dataSync()[0]!, expected.grad_norm[s]!, { relative: 2e-4 });
    for (const tree of [params, grads, m, v, ema]) disposeParams(tree);
    tf.dispose([xt, noise, value, next.norms]);
    ({ params, m, v } = next);
    ema = next.ema!;
  }
  for (const [tree, sums] of [
    [params, expected.final_sum],
    [ema, expected.ema_sum],
  ] as const) {
    for (const [name, sum] of Object.entries(sums)) {
      const scale = Math.sqrt(tree[name]!.size) * 1e-3;
      expectAllClose(
        tf.tidy(() => tf.sum(tree[name]!).dataSync()),
        [sum],
        { relative: 1e-3, absolute: scale },
      );
    }
  }
  for (const tree of [params, m, v, ema]) disposeParams(tree);
  expect(Object.keys(expected.final_sum).length).toBeGreaterThan(0);
});
