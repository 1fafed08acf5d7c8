import { readFileSync } from 'node:fs';
import { useWasm } from '@diffusion-ts/backend-wasm';
import { writeSafetensors } from '@diffusion-ts/checkpoints';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import type * as Digits from '../src/digits/jobs.js';
import { storedFiles, storeFile } from '../src/lab/storage.js';
import type { PlaneConfig } from '../src/plane/config.js';
import type * as Plane from '../src/plane/jobs.js';
import { planeModel } from '../src/plane/model.js';
import { privateFiles } from './private-files.js';

// What is stored and resumed does not depend on how large the network is: a small one is quick.
vi.mock('../src/digits/config.js', async (original) => {
  const { DIGITS } = await original<typeof import('../src/digits/config.js')>();
  return { DIGITS: { ...DIGITS, model: { ...DIGITS.model, block_out_channels: [8, 8, 8] } } };
});

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

const disk = privateFiles();

beforeAll(async () => {
  await useWasm();
  // Nobody waits for another tab: see `private-files.ts`.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  vi.stubGlobal('navigator', disk.navigator());
  vi.stubGlobal('self', { name: 'https://host.example/lab/' });
  vi.stubGlobal('fetch', async (url: string) => {
    const file = url.replace('https://host.example/lab/', '');
    return new Response(readFileSync(new URL(`../dist/${file}`, import.meta.url)));
  });
});
beforeEach(() => {
  disk.files.clear();
  disk.refuse(undefined);
});
afterAll(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

let visits = 0;
/** The jobs as a worker has them that has just started. */
async function started<Module>(path: string): Promise<Module> {
  visits += 1;
  return import(/* @vite-ignore */ `${path}?visit=${visits}`);
}

/** The bytes of a stored file. */
async function stored(name: string): Promise<Uint8Array> {
  return new Uint8Array(await (await storedFiles(name)).get(name)!.arrayBuffer());
}

/** Trains until a step. */
function trainDigits({ 'digits/train': train }: typeof Digits.digitsJobs, until: number) {
  const stopper = new AbortController();
  const report = ({ step }: { readonly step: number }) => {
    if (step === until) stopper.abort();
  };
  return train({ sampleEvery: 1000, workers: 1 }, { signal: stopper.signal, report });
}

it('a run in the plane that is stored, and goes on in a later visit, ends as one that was never stopped', async () => {
  const train = ({ planeJobs }: typeof Plane, id: number, steps: number) =>
    planeJobs['plane/train']({ id, config: CONFIG, steps }, VISITOR);
  const whole = await train(await started(PLANE), 1, 8);
  disk.files.clear();

  await train(await started(PLANE), 1, 3);
  const later = await started<typeof Plane>(PLANE);
  const {
    runs: [restored],
  } = await later.planeJobs['plane/restore']({}, VISITOR);
  expect(restored).toMatchObject({ id: 1, step: 3, config: CONFIG });
  const end = await train(later, 1, 8);
  expect(end.lossByT).toEqual(whole.lossByT);
  expect(end.evaluation).toEqual(whole.evaluation);
});

it('a run on digits that is stored, and goes on in a later visit, ends as one that was never stopped', async () => {
  const open = ({ digitsJobs }: typeof Digits) => digitsJobs['digits/open']({ batch: 8 }, VISITOR);
  const train = ({ digitsJobs }: typeof Digits, until: number) => trainDigits(digitsJobs, until);
  const first = await started<typeof Digits>(DIGITS);
  await open(first);
  const whole = await train(first, 4);
  disk.files.clear();

  const interrupted = await started<typeof Digits>(DIGITS);
  await open(interrupted);
  await train(interrupted, 2);
  const later = await started<typeof Digits>(DIGITS);
  expect((await open(later)).step).toBe(2);
  const end = await train(later, 4);
  expect(end.history).toEqual(whole.history);
  expect(end.samples).toEqual(whole.samples);
});

it('a stored run that cannot be read is put aside and told, and the others come back', async () => {
  const { planeJobs } = await started<typeof Plane>(PLANE);
  for (const id of [1, 2]) await planeJobs['plane/train']({ id, config: CONFIG, steps: 1 }, VISITOR);
  const bytes = await stored('plane-run-1.safetensors');
  // Whole as a file, and no run.
  await storeFile('plane-run-1.safetensors', bytes.subarray(0, bytes.length / 2));
  const later = await started<typeof Plane>(PLANE);
  const { runs, notices } = await later.planeJobs['plane/restore']({}, VISITOR);
  expect(runs.map(({ id }) => id)).toEqual([2]);
  expect(notices).toHaveLength(1);
  const [, aside] = /could not be read \(.*\)\. It is kept as (\S+) in/.exec(notices[0]!)!;
  expect(await stored(aside!)).toEqual(bytes.subarray(0, bytes.length / 2));
  expect(await storedFiles('plane-run-1.')).toEqual(new Map());
  // Told once.
  const again = await started<typeof Plane>(PLANE);
  expect((await again.planeJobs['plane/restore']({}, VISITOR)).notices).toEqual([]);
});

it('digits that cannot be read are put aside and told, and the next save does not overwrite them', async () => {
  await storeFile('digits.safetensors', Uint8Array.of(1, 2, 3));
  const { digitsJobs } = await started<typeof Digits>(DIGITS);
  const { step, notice } = await digitsJobs['digits/open']({ batch: 4 }, VISITOR);
  expect(step).toBe(0);
  const [, aside] = /It is kept as (\S+) in/.exec(notice!)!;
  await trainDigits(digitsJobs, 1);
  expect(await stored(aside!)).toEqual(Uint8Array.of(1, 2, 3));
});

it('a run in the plane that is forgotten while it is written stays away, and what trains it has ended', async () => {
  const { planeJobs } = await started<typeof Plane>(PLANE);
  const write = disk.holdWrites();
  const training = planeJobs['plane/train']({ id: 3, config: CONFIG, steps: 2 }, VISITOR);
  await write.begun;
  let forgotten = false;
  const forgetting = planeJobs['plane/forget']({ ids: [3] }, VISITOR).then(() => {
    forgotten = true;
  });
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  expect(forgotten).toBe(false);
  write.release();
  await Promise.all([training, forgetting]);
  expect([...disk.files.keys()]).toEqual([]);
  expect((await planeJobs['plane/restore']({}, VISITOR)).runs).toEqual([]);
});

it('starting over with digits waits for the training and for what is being written, and frees nothing in use', async () => {
  const { digitsJobs } = await started<typeof Digits>(DIGITS);
  await digitsJobs['digits/open']({ batch: 4 }, VISITOR);
  const write = disk.holdWrites();
  // Nobody stops it but the reset.
  const training = digitsJobs['digits/train']({ sampleEvery: 1, workers: 1 }, VISITOR);
  await write.begun;
  const resetting = digitsJobs['digits/reset']({ batch: 8 }, VISITOR);
  write.release();
  expect((await training).step).toBeGreaterThan(0);
  expect(await resetting).toMatchObject({ step: 0, batch: 8, history: [] });
  expect([...disk.files.keys()]).toEqual([]);
});

it('a run that another tab has can be looked at only, and is taken over when that tab is closed', async () => {
  const first = await started<typeof Digits>(DIGITS);
  await first.digitsJobs['digits/open']({ batch: 4 }, VISITOR);
  await trainDigits(first.digitsJobs, 1);
  const taken = disk.otherTab();
  const second = await started<typeof Digits>(DIGITS);
  const open = () => second.digitsJobs['digits/open']({ batch: 4 }, VISITOR);
  expect(await open()).toMatchObject({ step: 1, elsewhere: true });
  for (const change of [
    trainDigits(second.digitsJobs, 1),
    second.digitsJobs['digits/reset']({ batch: 4 }, VISITOR),
  ])
    await expect(change).rejects.toThrow('The run on digits is open in another tab');
  expect((await second.digitsJobs['digits/export']({}, VISITOR)).weights.length).toBeGreaterThan(1e5);
  // The first one went on meanwhile.
  await trainDigits(first.digitsJobs, 2);
  taken.close();
  expect(await open()).toMatchObject({ step: 2, elsewhere: false });

  const { planeJobs } = await started<typeof Plane>(PLANE);
  await planeJobs['plane/train']({ id: 4, config: CONFIG, steps: 1 }, VISITOR);
  const other = disk.otherTab();
  const onlooker = await started<typeof Plane>(PLANE);
  const { runs } = await onlooker.planeJobs['plane/restore']({}, VISITOR);
  expect(runs).toMatchObject([{ id: 4, elsewhere: true }]);
  await expect(
    onlooker.planeJobs['plane/train']({ id: 4, config: CONFIG, steps: 2 }, VISITOR),
  ).rejects.toThrow('open in another tab');
  other.close();
});

it('a browser that refuses to store says so of both kinds of runs, and they are trained all the same', async () => {
  disk.refuse('QuotaExceededError');
  const { planeJobs } = await started<typeof Plane>(PLANE);
  const plane = await planeJobs['plane/train']({ id: 5, config: CONFIG, steps: 1 }, VISITOR);
  const { digitsJobs } = await started<typeof Digits>(DIGITS);
  await digitsJobs['digits/open']({ batch: 4 }, VISITOR);
  const digits = await trainDigits(digitsJobs, 1);
  const message = /^This browser does not store the run \(there is no room left for this site\)/;
  expect(plane.notStored).toMatch(message);
  expect(digits.notice).toMatch(message);
  expect([plane.step, digits.step]).toEqual([1, 1]);
  expect([...disk.files.keys()]).toEqual([]);
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
  disk.files.set('plane-run-7.safetensors', writeSafetensors(tensors, metadata));

  const { storedPlaneRuns } = await import('../src/plane/storage.js');
  const { id, model } = (await storedPlaneRuns(1, async () => true)).runs[0]!;
  const { state } = model;
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
