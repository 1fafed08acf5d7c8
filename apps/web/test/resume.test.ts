import { readFileSync } from 'node:fs';
import { useWasm } from '@diffusion-ts/backend-wasm';
import { writeSafetensors } from '@diffusion-ts/checkpoints';
import { PRESETS } from '@diffusion-ts/recipes';
import { parseConfig } from '@diffusion-ts/recipes/config';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import type * as Digits from '../src/digits/jobs.js';
import type { PlaneConfig } from '../src/plane/config.js';
import type * as Plane from '../src/plane/jobs.js';
import { type PlaneModel, planeModel } from '../src/plane/model.js';

const DIGITS = '../src/digits/jobs.ts';
const PLANE = '../src/plane/jobs.ts';

const CONFIG: PlaneConfig = {
  data: 'moons',
  drawn: new Float32Array(),
  schedule: 'cosine',
  steps: 10,
  predicts: 'v',
  loss: 'hybrid',
  seed: 5,
};

/** Somebody who asks for a job, and stays until its end. */
const VISITOR = { signal: new AbortController().signal, report: () => {} };

/** What lies in the browser's private file system. */
const files = new Map<string, Uint8Array>();

function directory(): object {
  return {
    getFileHandle: async (name: string) => ({
      createWritable: async () => ({
        write: async (bytes: Uint8Array) => files.set(name, bytes.slice()),
        close: async () => {},
      }),
    }),
    removeEntry: async (name: string) => files.delete(name),
    entries: async function* () {
      for (const [name, bytes] of files)
        yield [name, { kind: 'file', getFile: async () => new File([bytes as BlobPart], name) }];
    },
  };
}

beforeAll(async () => {
  await useWasm();
  vi.stubGlobal('navigator', { storage: { getDirectory: async () => directory() } });
  vi.stubGlobal('self', { name: 'https://host.example/lab/' });
  vi.stubGlobal('fetch', async (url: string) => {
    const file = url.replace('https://host.example/lab/', '');
    return new Response(readFileSync(new URL(`../dist/${file}`, import.meta.url)));
  });
});
beforeEach(() => files.clear());
afterAll(() => vi.unstubAllGlobals());

let visits = 0;
/** The jobs as a worker has them that has just started. */
async function started<Module>(path: string): Promise<Module> {
  visits += 1;
  return import(/* @vite-ignore */ `${path}?visit=${visits}`);
}

it('a run in the plane that is stored, and goes on in a later visit, ends as one that was never stopped', async () => {
  const train = ({ planeJobs }: typeof Plane, id: number, steps: number) =>
    planeJobs['plane/train']({ id, config: CONFIG, steps }, VISITOR);
  const whole = await train(await started(PLANE), 1, 8);
  files.clear();

  await train(await started(PLANE), 1, 3);
  const later = await started<typeof Plane>(PLANE);
  const [restored] = await later.planeJobs['plane/restore']({}, VISITOR);
  expect(restored).toMatchObject({ id: 1, step: 3, config: CONFIG });
  const end = await train(later, 1, 8);
  expect(end.lossByT).toEqual(whole.lossByT);
  expect(end.evaluation).toEqual(whole.evaluation);
});

it('a run on digits that is stored, and goes on in a later visit, ends as one that was never stopped', async () => {
  const open = ({ digitsJobs }: typeof Digits) => digitsJobs['digits/open']({ batch: 8 }, VISITOR);
  const train = ({ digitsJobs }: typeof Digits, until: number) => {
    const stopper = new AbortController();
    return digitsJobs['digits/train'](
      { sampleEvery: 1000 },
      {
        signal: stopper.signal,
        report({ step }) {
          if (step === until) stopper.abort();
        },
      },
    );
  };
  const first = await started<typeof Digits>(DIGITS);
  await open(first);
  const whole = await train(first, 4);
  files.clear();

  const interrupted = await started<typeof Digits>(DIGITS);
  await open(interrupted);
  await train(interrupted, 2);
  const later = await started<typeof Digits>(DIGITS);
  expect((await open(later)).step).toBe(2);
  const end = await train(later, 4);
  expect(end.history).toEqual(whole.history);
  expect(end.samples).toEqual(whole.samples);
});

it('what a run on digits exports is a whole run of the command line, and comes back from it', async () => {
  const { digitsJobs } = await started<typeof Digits>(DIGITS);
  await digitsJobs['digits/open']({ batch: 4 }, VISITOR);
  const stopper = new AbortController();
  const report = () => stopper.abort();
  await digitsJobs['digits/train']({ sampleEvery: 1000 }, { signal: stopper.signal, report });
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

it('a stored run that was cut off is thrown away, and the others come back', async () => {
  const { planeJobs } = await started<typeof Plane>(PLANE);
  for (const id of [1, 2]) await planeJobs['plane/train']({ id, config: CONFIG, steps: 1 }, VISITOR);
  const [[name, bytes]] = [...files] as [[string, Uint8Array]];
  files.set(name, bytes.subarray(0, bytes.length / 2));
  const later = await started<typeof Plane>(PLANE);
  const restored = await later.planeJobs['plane/restore']({}, VISITOR);
  expect(restored.map(({ id }) => id)).toEqual([2]);
  expect([...files.keys()]).toEqual(['plane-run-2.safetensors']);
});

it('a run that the lab stored before networks declared their layouts comes back, and goes on', async () => {
  // As it was written then: moments from the beginning, and every weight of rank 2 as PyTorch has it, [out, in].
  const { network } = await planeModel(CONFIG);
  const numbered = (tree: string, k: number) =>
    Object.entries(network.shapes).map(([name, shape]) => {
      const size = shape.reduce((product, n) => product * n, 1);
      const data = Float32Array.from({ length: size }, (_, i) => 1e-3 * k * (i % 97));
      const stored = name.endsWith('.weight') ? shape.toReversed() : shape;
      return [`${tree}/${name}`, { dtype: 'F32', shape: stored, data }] as const;
    });
  const tensors = Object.fromEntries(['params', 'ema', 'm', 'v'].flatMap((tree, k) => numbered(tree, k + 1)));
  const notes = { config: { ...CONFIG, drawn: [] }, losses: [0.5, 0.25, null], lossByT: [null, 1] };
  const metadata = {
    progress: JSON.stringify({ step: 2, lossHistory: [] }),
    notes: JSON.stringify(notes),
  };
  files.set('plane-run-7.safetensors', writeSafetensors(tensors, metadata));

  const { storedPlaneRuns } = await import('../src/plane/storage.js');
  const [[id, { state }]] = (await storedPlaneRuns(1)) as [[number, PlaneModel]];
  expect([id, state.step, Object.keys(state.slots)]).toEqual([7, 2, ['m', 'v']]);
  const stored = tensors['m/input.weight']!;
  const [outputs, inputs] = stored.shape as [number, number];
  const m = await state.slots.m!['input.weight']!.data();
  expect(state.slots.m!['input.weight']!.shape).toEqual([inputs, outputs]);
  // Ours at [5, 3] is theirs at [3, 5].
  expect(m[5 * outputs + 3]).toBe(stored.data[3 * inputs + 5]);

  const { planeJobs } = await started<typeof Plane>(PLANE);
  await planeJobs['plane/restore']({}, VISITOR);
  const { step, evaluation } = await planeJobs['plane/train']({ id: 7, config: CONFIG, steps: 3 }, VISITOR);
  expect([step, evaluation?.step]).toEqual([3, 3]);
});
