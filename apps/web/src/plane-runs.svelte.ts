// The runs in the plane, kept while the visitor moves between the pages.

import { announce } from './announce.svelte.js';
import { run as runJob } from './lab.svelte.js';
import { type PlaneConfig, TRAIN_STEPS } from './model/plane-config.js';
import type { PlaneEvaluation, PlaneProgress } from './worker/plane.js';

/** How many steps make one point of a loss curve. */
const STEPS_A_POINT = 10;
const POINTS = TRAIN_STEPS / STEPS_A_POINT;
export const LOSS_STEPS: readonly number[] = Array.from(
  { length: POINTS },
  (_, i) => (i + 1) * STEPS_A_POINT,
);
const MAX_RUNS = 6;

let lastId = 0;

export class PlaneRun {
  readonly id: number = ++lastId;
  readonly config: PlaneConfig;
  step = $state(0);
  /** The mean of every ten steps; NaN where it has not come yet. */
  losses = $state.raw<Float64Array>(new Float64Array(POINTS).fill(Number.NaN));
  lossByT = $state.raw<Float64Array>(new Float64Array());
  stepsPerSecond = $state(0);
  evaluation = $state.raw<PlaneEvaluation | undefined>();
  training = $state(false);
  error = $state('');
  private pending: number[] = [];
  private stopper: AbortController | undefined;

  constructor(config: PlaneConfig) {
    this.config = config;
  }

  get done(): boolean {
    return this.step >= TRAIN_STEPS;
  }

  /** Trains on from where it is. */
  async train(): Promise<void> {
    if (this.training || this.done) return;
    this.training = true;
    this.stopper = new AbortController();
    try {
      const end = await runJob(
        'plane/train',
        { id: this.id, config: $state.snapshot(this.config) as PlaneConfig, steps: TRAIN_STEPS },
        { onProgress: (progress) => this.take(progress), signal: this.stopper.signal },
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

  private take({ step, losses, lossByT, stepsPerSecond, evaluation }: PlaneProgress): void {
    this.step = step;
    this.lossByT = lossByT;
    if (stepsPerSecond > 0) this.stepsPerSecond = stepsPerSecond;
    if (evaluation) this.evaluation = evaluation;
    this.pending.push(...losses);
    if (this.pending.length < STEPS_A_POINT) return;
    const curve = this.losses.slice();
    let at = (step - this.pending.length) / STEPS_A_POINT;
    for (at = Math.round(at); this.pending.length >= STEPS_A_POINT; at++) {
      const part = this.pending.splice(0, STEPS_A_POINT);
      curve[at] = part.reduce((sum, loss) => sum + loss, 0) / part.length;
    }
    this.losses = curve;
  }
}

export const planeRuns = $state<{ list: PlaneRun[]; shown: PlaneRun | undefined }>({
  list: [],
  shown: undefined,
});

/** Starts a run and shows it; the oldest one makes room. */
export function startRun(config: PlaneConfig): PlaneRun {
  for (const run of planeRuns.list) run.pause();
  const run = new PlaneRun(config);
  planeRuns.list = [...planeRuns.list.filter(({ error }) => error === ''), run].slice(-MAX_RUNS);
  planeRuns.shown = run;
  void run.train();
  return run;
}
