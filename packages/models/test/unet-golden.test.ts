import { readFileSync } from 'node:fs';
import { paramsFromSafetensors, paramsToSafetensors } from '@diffusion-ts/checkpoints';
import { countParams, disposeParams, type Layout, type Params, valueAndGrad } from '@diffusion-ts/tensor';
import { type BackendName, expectAllClose, golden, goldenPath, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { unet, unetConfig } from '../src/index.js';

interface Expected {
  loss: number;
  parameters: number;
  grad_l2: Record<string, number>;
  grad_sum: Record<string, number>;
  grad_first4: Record<string, number[]>;
}

const bytes = (name: string, file: string) => readFileSync(goldenPath(`${name}/${file}.safetensors`));

/** PyTorch's images, NCHW. */
const images = (x: tf.Tensor | undefined) => tf.transpose(x!, [0, 2, 3, 1]);

/** A gradient in PyTorch's layout, in which the file has its first entries. */
function flat(grad: tf.Tensor, layout: Layout | undefined): Float32Array {
  return tf.tidy(() => (layout ? tf.transpose(grad, [...layout]) : grad).dataSync() as Float32Array);
}

function matchesGolden(name: string): void {
  const expected = golden<Expected>(`${name}/expected`);
  const model = unet(unetConfig(golden(`${name}/config`)));
  let params: Params;
  let output: tf.Tensor;
  let y: tf.Tensor;
  let loss: tf.Scalar;
  let grads: Params;

  beforeAll(() => {
    params = paramsFromSafetensors(bytes(name, 'diffusion_pytorch_model'), model.layouts);
    const io = paramsFromSafetensors(bytes(name, 'io'));
    const [xt, target] = [images(io.x), images(io.target)];
    const told = io.t as tf.Tensor1D;
    const condition = io.class_labels && { label: io.class_labels };
    y = images(io.y);
    output = model.apply(params, xt, told, condition);
    // Where the variance is learned, the loss of the file is on the first half of the output.
    const learned = model.config.out_channels === 2 * model.config.in_channels;
    const lossOf = (p: Params): tf.Scalar => {
      const prediction = model.apply(p, xt, told, condition);
      const [mean] = learned ? tf.split(prediction, 2, 3) : [prediction];
      return tf.mean(tf.square(tf.sub(mean!, target)));
    };
    const result = valueAndGrad(lossOf)(params);
    loss = result.value;
    grads = result.grads;
    disposeParams({ ...io, xt, target });
  });
  afterAll(() => {
    disposeParams(params);
    disposeParams(grads);
    tf.dispose([output, y, loss]);
  });

  it('has the parameters of the state dict, in its order', () => {
    expect(Object.keys(model.shapes)).toEqual(Object.keys(expected.grad_l2));
    expect(countParams(params)).toBe(expected.parameters);
    for (const [parameter, shape] of Object.entries(model.shapes))
      expect(params[parameter]!.shape).toEqual(shape);
  });

  it('is written as the file that it was read from, byte for byte', async () => {
    const { layouts } = model;
    const written = await paramsToSafetensors(params, { layouts, metadata: { format: 'pt' } });
    expect(Buffer.compare(written, bytes(name, 'diffusion_pytorch_model'))).toBe(0);
  });

  it('has the same output', () => {
    expectAllClose(output, y, { relative: 1e-5, absolute: 1e-5 });
  });

  it('has the same loss', () => {
    expectAllClose(loss, expected.loss);
  });

  it('has the same gradient for every parameter', () => {
    for (const parameter of Object.keys(expected.grad_l2)) {
      const grad = flat(grads[parameter]!, model.layouts[parameter]);
      const norm = expected.grad_l2[parameter]!;
      // Float32 sums of millions of products: what counts is the error beside the norm of the whole tensor.
      const absolute = 2e-5 * norm + 1e-7;
      expectAllClose(Math.hypot(...grad), norm, { absolute, relative: 1e-5 });
      expectAllClose(grad.slice(0, 4), expected.grad_first4[parameter]!, { absolute, relative: 1e-5 });
      const sum = grad.reduce((total, g) => total + g, 0);
      expectAllClose(sum, expected.grad_sum[parameter]!, {
        absolute: absolute * Math.sqrt(grad.length),
        relative: 1e-5,
      });
    }
  });
}

onEachBackend((backend: BackendName) => {
  describe('unet-class-conditional', () => matchesGolden('unet-class-conditional'));
  // The plain-JavaScript backend takes seconds for the larger two, and has nothing in them that it does not have above.
  if (backend === 'cpu') return;
  describe('unet-mnist', () => matchesGolden('unet-mnist'));
  describe('unet-ddpm-cifar', () => matchesGolden('unet-ddpm-cifar'));
});
