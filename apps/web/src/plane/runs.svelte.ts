// The runs in the plane, kept while the visitor moves between the pages.

import { run as runJob } from '../lab/client.svelte.js';
import { announce } from '../ui/announce.svelte.js';
import { whileAtWork } from '../ui/at-work.svelte.js';
import { MAX_RUNS, type PlaneConfig, TRAIN_STEPS } from './config.js';
import type { PlaneEvaluation } from './evaluation.js';
import type { PlaneProgress } from './jobs.js';
import { planeName } from './names.js';

/** How many steps make one point of a loss curve. */
const STEPS_A_POINT = 10;
const POINTS = TRAIN_STEPS / STEPS_A_POINT;
export const LOSS_STEPS: readonly number[] = Array.from(
  { length: POINTS },
  (_, i) => (i + 1) * STEPS_A_POINT,
);

let lastId = 0;
/** Ids that no other visit has given, since runs are stored; in the order of time. */
function nextId(): number {
  lastId = Math.max(Date.now(), lastId + 1);
  return lastId;
}

export class PlaneRun {
  readonly id: number;
  readonly config: PlaneConfig;
  step = $state(0);
  /** The mean of the last ten steps. */
  loss = $state<number | undefined>();
  /** The mean of every ten steps; NaN where it has not come yet. */
  losses = $state.raw<Float64Array>(new Float64Array(POINTS).fill(Number.NaN));
  lossByT = $state.raw<Float64Array>(new Float64Array());
  stepsPerSecond = $state(0);
  evaluation = $state.raw<PlaneEvaluation | undefined>();
  /** The bound at each look so far: the step, and the bits per dimension. */
  bounds = $state.raw<readonly (readonly [number, number])[]>([]);
  training = $state(false);
  error = $state('');
  /** Whether another tab has it: here it can only be looked at. */
  readonly elsewhere: boolean;
  private pending: number[] = [];
  private recent: readonly number[] = [];
  private stopper: AbortController | undefined;

  constructor(config: PlaneConfig, id: number = nextId(), elsewhere = false) {
    this.config = config;
    this.id = id;
    this.elsewhere = elsewhere;
  }

  get done(): boolean {
    return this.step >= TRAIN_STEPS;
  }

  /** Trains on from where it is. */
  async train(): Promise<void> {
    if (this.training || this.done || this.elsewhere) return;
    this.training = true;
    this.stopper = new AbortController();
    try {
      const { signal } = this.stopper;
      const work = { page: 'plane', done: () => this.step / TRAIN_STEPS };
      const end = await whileAtWork(work, () =>
        runJob(
          'plane/train',
          { id: this.id, config: $state.snapshot(this.config) as PlaneConfig, steps: TRAIN_STEPS },
          { onProgress: (progress) => this.take(progress), signal },
        ),
      );
      this.take(end);
      announce(
        `${this.done ? 'Trained' : 'Paused after'} ${this.step} steps, bound ${end.evaluation?.bound.total.toFixed(2)} bits per dimension.`,
      );
    } catch (error) {
      this.error = (error as Error).message;
    }
    this.training = false;
  }

  pause(): void {
    this.stopper?.abort();
  }

  take({ step, losses, lossByT, stepsPerSecond, evaluation, notStored = '' }: PlaneProgress): void {
    this.step = step;
    planeRuns.notStored = notStored;
    this.lossByT = lossByT;
    if (stepsPerSecond > 0) this.stepsPerSecond = stepsPerSecond;
    if (evaluation) {
      this.evaluation = evaluation;
      this.bounds = [...this.bounds, [evaluation.step, evaluation.bound.total]];
    }
    this.recent = [...this.recent, ...losses].slice(-STEPS_A_POINT);
    if (this.recent.length > 0) this.loss = mean(this.recent);
    this.pending.push(...losses);
    if (this.pending.length < STEPS_A_POINT) return;
    const curve = this.losses.slice();
    let at = (step - this.pending.length) / STEPS_A_POINT;
    for (at = Math.round(at); this.pending.length >= STEPS_A_POINT; at++) {
      curve[at] = mean(this.pending.splice(0, STEPS_A_POINT));
    }
    this.losses = curve;
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export const planeRuns = $state<{
  list: PlaneRun[];
  shown: PlaneRun | undefined;
  /** Why runs are not being stored, where they are not. */
  notStored: string;
  /** What became of runs without the visitor's doing. */
  notices: readonly string[];
}>({
  list: [],
  shown: undefined,
  notStored: '',
  notices: [],
});

/** Starts a run and shows it; `instead`, and the oldest one where there are too many, make room. */
export function startRun(config: PlaneConfig, instead?: PlaneRun): PlaneRun {
  for (const run of planeRuns.list) run.pause();
  const run = new PlaneRun(config);
  // One that was left before its first look has nothing to compare.
  const looked = planeRuns.list.filter(
    (old) => old !== instead && old.error === '' && old.evaluation !== undefined,
  );
  const list = [...looked, run].slice(-MAX_RUNS);
  planeRuns.notices = looked
    .filter((old) => !list.includes(old))
    .map((old) => `${MAX_RUNS} runs are kept; the oldest made room: ${planeName(old.config)}.`);
  const gone = planeRuns.list.filter((old) => !list.includes(old));
  planeRuns.list = list;
  planeRuns.shown = run;
  void forget(gone);
  void run.train();
  return run;
}

/** Forgets runs for good; they are shown until nothing is left of them. Those of another tab stay. */
export async function forgetRuns(runs: readonly PlaneRun[]): Promise<void> {
  const gone = runs.filter((run) => !run.elsewhere);
  for (const run of gone) run.pause();
  await forget(gone);
  planeRuns.list = planeRuns.list.filter((run) => !gone.includes(run));
  if (planeRuns.shown && gone.includes(planeRuns.shown)) planeRuns.shown = planeRuns.list.at(-1);
}

async function forget(runs: readonly PlaneRun[]): Promise<void> {
  const ids = runs.filter((run) => !run.elsewhere).map(({ id }) => id);
  if (ids.length > 0) await runJob('plane/forget', { ids });
}

/** Brings back the runs of earlier visits. */
async function restore(): Promise<void> {
  const { runs, notices } = await runJob('plane/restore', {});
  planeRuns.notices = notices;
  const restored = runs.map(({ id, config, elsewhere, bounds, ...progress }) => {
    const run = new PlaneRun(config, id, elsewhere);
    run.take(progress);
    run.bounds = bounds;
    return run;
  });
  const known = new Set(planeRuns.list.map(({ id }) => id));
  planeRuns.list = [...restored.filter(({ id }) => !known.has(id)), ...planeRuns.list].slice(-MAX_RUNS);
  planeRuns.shown ??= planeRuns.list.at(-1);
}
void restore().catch(() => {
  // Nothing is there then, as on a first visit.
});
