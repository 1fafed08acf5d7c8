import { readFileSync } from 'node:fs';
import { useWasm } from '@diffusion-ts/backend-wasm';
import { mnist } from '@diffusion-ts/datasets/node';
import { simple } from '@diffusion-ts/losses';
import { reverseOf } from '@diffusion-ts/recipes';
import { rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { readImageModel } from '../src/files/image-model.js';

const shipped = (name: string): Buffer =>
  readFileSync(new URL(`../public/checkpoint/${name}`, import.meta.url));

it('the model that ships knows digits: a network that says nothing has a v-loss of 1', async () => {
  await useWasm();
  const { config, network, forward, params } = await readImageModel(
    shipped('model.safetensors'),
    JSON.parse(shipped('config.json').toString()),
  );
  const reverse = reverseOf(forward, config.process, network.denoiser(params), false);
  const dataset = await mnist({ split: 'test' });
  const { x0, condition } = await dataset.batch(Array.from({ length: 32 }, (_, i) => i));
  const t = Float64Array.from({ length: 32 }, (_, i) => i * 31 + 15);
  const { perExample } = simple()({ reverse, x0, t, noise: rng(0).normal(x0.shape), condition: condition! });
  expect(tf.mean(perExample).dataSync()[0]).toBeLessThan(0.2);
});
