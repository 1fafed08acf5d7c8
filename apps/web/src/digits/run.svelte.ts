// The run on digits, kept while the visitor moves between the pages; the worker stores it for later visits.

import { untrack } from 'svelte';
import { run as runJob } from '../lab/client.svelte.js';
import { workers } from '../lab/workers.svelte.js';
import { announce } from '../ui/announce.svelte.js';
import { whileAtWork } from '../ui/at-work.svelte.js';
import { DIGITS } from './config.js';
import type { DigitsProgress, DigitsStatus } from './jobs.js';
import type { DigitsLoss } from './train.js';

const SAMPLE_EVERY = 25;
/** How much of the average a step leaves, once there have been enough of them. */
const KEEP = 0.9;

interface Picture {
  readonly step: number;
  readonly images: Float32Array;
}

class DigitRun {
  status = $state.raw<DigitsStatus | undefined>();
  /** What keeps the run from being there, while it is opened. */
  opening = $state('');
  error = $state('');
  training = $state(false);
  step = $state(0);
  imagesPerSecond = $state(0);
  /** The step that is stored. */
  stored = $state(0);
  steps = $state.raw<number[]>([]);
  losses = $state.raw<number[]>([]);
  smooth = $state.raw<number[]>([]);
  /** Averages of the loss in each quarter of the schedule. */
  quartiles = $state.raw<number[][]>([[], [], [], []]);
  pictures = $state.raw<Picture[]>([]);
}

const WORK = { page: 'digits', done: () => digits.step / DIGITS.training.steps };
const NO_CURVES = { steps: [], losses: [], smooth: [], quartiles: [[], [], [], []] };

export const digits = new DigitRun();
let stopper: AbortController | undefined;
/** Settles when the training that is under way has ended. */
let ended: Promise<void> = Promise.resolve();

/** Loads the data, and what was stored; `batch` counts for a run that has not begun. */
export async function openDigits(batch: number = DIGITS.training.batch): Promise<void> {
  if (digits.training) return;
  digits.opening ||= 'Opening';
  if (digits.status === undefined) digits.error = '';
  try {
    const status = await runJob(
      'digits/open',
      { batch },
      { onProgress: (doing) => (digits.opening = doing) },
    );
    take(status);
  } catch (error) {
    digits.error = (error as Error).message;
  }
  digits.opening = '';
}

/** Another run has taken the place of this one. */
export function replaceDigits(status: DigitsStatus): void {
  Object.assign(digits, {
    ...NO_CURVES,
    pictures: [],
    stored: 0,
    imagesPerSecond: 0,
    error: '',
  });
  take(status);
}

// What is being trained goes on with as many workers as are chosen now.
$effect.root(() => {
  $effect(() => {
    workers();
    untrack(() => {
      if (digits.training) void pauseDigits().then(trainDigits);
    });
  });
});

export function trainDigits(): Promise<void> {
  if (!digits.training) ended = whileAtWork(WORK, train);
  return ended;
}

async function train(): Promise<void> {
  digits.training = true;
  digits.error = '';
  stopper = new AbortController();
  try {
    take(
      await runJob(
        'digits/train',
        { sampleEvery: SAMPLE_EVERY, workers: workers() },
        { onProgress: report, signal: stopper.signal },
      ),
    );
    announce(`Paused after ${digits.step} steps.`);
  } catch (error) {
    digits.error = (error as Error).message;
  }
  digits.training = false;
}

/** Ends when the worker has put the run down, so that its weights are free. */
export async function pauseDigits(): Promise<void> {
  stopper?.abort();
  await ended;
}

function take(status: DigitsStatus): void {
  // What another tab has done meanwhile is another curve.
  if (digits.status?.elsewhere) Object.assign(digits, NO_CURVES);
  digits.status = status;
  digits.error = status.notice ?? '';
  digits.step = status.step;
  if (digits.steps.length === 0) plot(status.history);
  if (status.step > 0 && digits.error === '') digits.stored = status.step;
  if (status.samples) show({ step: status.step, images: status.samples });
}

function show(picture: Picture): void {
  if (digits.pictures.at(-1)?.step === picture.step) return;
  digits.pictures = [...digits.pictures, picture];
}

function report({ imagesPerSecond, samples, notStored, ...taken }: DigitsProgress): void {
  digits.step = taken.step;
  digits.imagesPerSecond = imagesPerSecond;
  plot([taken]);
  if (samples) {
    show({ step: taken.step, images: samples });
    announce(`Step ${taken.step}, loss ${digits.smooth.at(-1)!.toFixed(3)}.`);
    if (notStored === undefined) digits.stored = taken.step;
    else digits.error = notStored;
  }
}

function plot(taken: readonly DigitsLoss[]): void {
  const smooth = [...digits.smooth];
  const quartiles = digits.quartiles.map((values) => [...values]);
  for (const { loss, quartiles: parts } of taken) {
    smooth.push(average(smooth, loss));
    quartiles.forEach((values, i) => {
      values.push(average(values, parts[i]));
    });
  }
  digits.steps = [...digits.steps, ...taken.map(({ step }) => step)];
  digits.losses = [...digits.losses, ...taken.map(({ loss }) => loss)];
  digits.smooth = smooth;
  digits.quartiles = quartiles;
}

/** What follows on the averages so far. */
function average(averages: readonly number[], value: number | null | undefined): number {
  const before = averages.at(-1);
  if (value === undefined || value === null) return before ?? Number.NaN;
  if (before === undefined || Number.isNaN(before)) return value;
  const keep = Math.min(KEEP, averages.length / (averages.length + 1));
  return keep * before + (1 - keep) * value;
}
