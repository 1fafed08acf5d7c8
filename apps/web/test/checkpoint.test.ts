import { readFileSync } from 'node:fs';
import { useWasm } from '@diffusion-ts/backend-wasm';
import { paramsFromSafetensors } from '@diffusion-ts/checkpoints';
import { mnist } from '@diffusion-ts/datasets/node';
import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { simple } from '@diffusion-ts/losses';
import { unet } from '@diffusion-ts/models';
import { reverseProcess } from '@diffusion-ts/reverse-process';
import { cosine } from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';

const shipped = (name: string): Buffer =>
  readFileSync(new URL(`../public/checkpoint/${name}`, import.meta.url));

it('the model that ships knows digits: a network that says nothing has a v-loss of 1', async () => {
  await useWasm();
  const { model: config, process } = JSON.parse(shipped('config.json').toString());
  const model = unet(config);
  const params = paramsFromSafetensors(shipped('model.safetensors'));
  const reverse = reverseProcess({
    forward: gaussianDiffusion(cosine({ steps: process.schedule.steps })),
    denoiser: (xt, t, condition) => model.apply(params, xt, t, condition),
    predicts: process.predicts,
    variance: process.variance,
  });
  const { x0, labels } = await (await mnist({ split: 'test' })).batch(
    Array.from({ length: 32 }, (_, i) => i),
  );
  const t = tf.tensor1d(
    Array.from({ length: 32 }, (_, i) => i * 31 + 15),
    'int32',
  );
  const { perExample } = simple()(reverse, x0, t, rng(0).normal(x0.shape), { labels: labels! });
  expect(tf.mean(perExample).dataSync()[0]).toBeLessThan(0.2);
});
