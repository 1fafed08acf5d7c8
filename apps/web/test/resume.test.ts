import { readFileSync } from 'node:fs';
import { useWasm } from '@diffusion-ts/backend-wasm';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import type * as Digits from '../src/worker/digits.js';
import type * as Plane from '../src/worker/plane.js';

const CONFIG = {
  data: 'moons',
  drawn: new Float32Array(),
  schedule: 'cosine',
  steps: 10,
  predicts: 'v',
  loss: 'hybrid',
  seed: 5,
} as const;

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
  const train = async ({ planeJobs }: typeof Plane, id: number, steps: number) => {
    const job = planeJobs['plane/train']({ id, config: CONFIG, steps }, new AbortController().signal);
    let step = await job.next();
    while (!step.done) step = await job.next();
    return step.value;
  };
  const whole = await train(await started('../src/worker/plane.ts'), 1, 8);
  files.clear();

  await train(await started('../src/worker/plane.ts'), 1, 3);
  const later = await started<typeof Plane>('../src/worker/plane.ts');
  const [restored] = await later.planeJobs['plane/restore']({}, new AbortController().signal);
  expect(restored).toMatchObject({ id: 1, step: 3, config: CONFIG });
  const end = await train(later, 1, 8);
  expect(end.lossByT).toEqual(whole.lossByT);
  expect(end.evaluation).toEqual(whole.evaluation);
});

it('a run on digits that is stored, and goes on in a later visit, ends as one that was never stopped', async () => {
  const { signal } = new AbortController();
  const open = async ({ digitsJobs }: typeof Digits) => {
    const job = digitsJobs['digits/open']({ batch: 8 }, signal);
    let step = await job.next();
    while (!step.done) step = await job.next();
    return step.value;
  };
  const train = async ({ digitsJobs }: typeof Digits, until: number) => {
    const stopper = new AbortController();
    const job = digitsJobs['digits/train']({ sampleEvery: 1000 }, stopper.signal);
    let step = await job.next();
    while (!step.done) {
      if (step.value.step === until) stopper.abort();
      step = await job.next();
    }
    return step.value;
  };
  const first = await started<typeof Digits>('../src/worker/digits.ts');
  await open(first);
  const whole = await train(first, 4);
  files.clear();

  const interrupted = await started<typeof Digits>('../src/worker/digits.ts');
  await open(interrupted);
  await train(interrupted, 2);
  const later = await started<typeof Digits>('../src/worker/digits.ts');
  expect((await open(later)).step).toBe(2);
  const end = await train(later, 4);
  expect(end.history).toEqual(whole.history);
  expect(end.samples).toEqual(whole.samples);
});

it('a stored run that was cut off is thrown away, and the others come back', async () => {
  const { planeJobs } = await started<typeof Plane>('../src/worker/plane.ts');
  for (const id of [1, 2]) {
    const job = planeJobs['plane/train']({ id, config: CONFIG, steps: 1 }, new AbortController().signal);
    while (!(await job.next()).done);
  }
  const [[name, bytes]] = [...files] as [[string, Uint8Array]];
  files.set(name, bytes.subarray(0, bytes.length / 2));
  const later = await started<typeof Plane>('../src/worker/plane.ts');
  const restored = await later.planeJobs['plane/restore']({}, new AbortController().signal);
  expect(restored.map(({ id }) => id)).toEqual([2]);
  expect([...files.keys()]).toEqual(['plane-run-2.safetensors']);
});
