import { readFileSync } from 'node:fs';
import { useWasm } from '@diffusion-ts/backend-wasm';
import { PRESETS } from '@diffusion-ts/recipes';
import { parseConfig } from '@diffusion-ts/recipes/config';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { digitsJobs } from '../src/digits/jobs.js';
import { privateFiles } from './private-files.js';

/** Somebody who asks for a job, and stays until its end. */
const VISITOR = { signal: new AbortController().signal, report: () => {} };

beforeAll(async () => {
  await useWasm();
  vi.stubGlobal('navigator', privateFiles().navigator());
  vi.stubGlobal('self', { name: 'https://host.example/lab/' });
  vi.stubGlobal('fetch', async (url: string) => {
    const file = url.replace('https://host.example/lab/', '');
    return new Response(readFileSync(new URL(`../dist/${file}`, import.meta.url)));
  });
});
afterAll(() => vi.unstubAllGlobals());

it('what a run on digits exports is a whole run of the command line, and comes back from it', async () => {
  await digitsJobs['digits/open']({ batch: 4 }, VISITOR);
  const stopper = new AbortController();
  const report = () => stopper.abort();
  await digitsJobs['digits/train']({ sampleEvery: 1000, workers: 1 }, { signal: stopper.signal, report });
  const { weights, config } = await digitsJobs['digits/export']({}, VISITOR);
  const complete = JSON.parse(config);
  expect(parseConfig(complete, 'config.json')).toEqual(complete);
  const { mnist } = PRESETS;
  expect(complete).toMatchObject({
    data: mnist.data,
    model: { ...mnist.model, sample_size: 28, num_class_embeds: 11 },
    process: { ...mnist.process, schedule: { kind: 'cosine', steps: 1000 } },
    training: { ...mnist.training, steps: 1200, batch: 4, warmUp: 50, ema: { decay: 0.99 } },
    sampling: mnist.sampling,
  });
  const back = await digitsJobs['digits/import']({ bytes: weights, config: complete, batch: 8 }, VISITOR);
  expect(back).toMatchObject({ step: 0, batch: 8, history: [] });
  expect((await digitsJobs['digits/export']({}, VISITOR)).weights).toHaveLength(weights.length);
});
