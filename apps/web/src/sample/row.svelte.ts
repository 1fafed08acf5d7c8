import { run as runJob } from '../lab/client.svelte.js';
import { isAbort } from '../lab/protocol.js';
import { workers } from '../lab/workers.svelte.js';
import type { SampleFrame } from './draw.js';
import type { GuidedRequest } from './draw-model.js';
import type { SamplerInfo } from './jobs.js';

/** One sampler at work: what it has drawn, step by step. */
export class SamplerRow {
  /** How many steps it takes unless somebody says otherwise. */
  static readonly STEPS = 25;
  readonly sampler: SamplerInfo;
  steps: number = $state(SamplerRow.STEPS);
  frames = $state.raw<SampleFrame[]>([]);
  images = $state.raw<Float32Array | undefined>();
  evaluations = $state(0);
  running = $state(false);
  error = $state('');

  constructor(sampler: SamplerInfo, steps: number) {
    this.sampler = sampler;
    if (Number.isInteger(steps) && steps >= 1) this.steps = steps;
  }

  /** Draws from the start of the request, or goes on from frame `from` of what is there. */
  async run(
    request: Omit<GuidedRequest, 'sampler' | 'steps'>,
    signal: AbortSignal,
    from?: number,
  ): Promise<void> {
    const frame = from === undefined ? undefined : this.frames[from];
    const kept = frame === undefined ? [] : this.frames.slice(0, from);
    const done = kept.at(-1)?.evaluations ?? 0;
    this.frames = kept;
    this.images = undefined;
    this.evaluations = done;
    this.running = true;
    this.error = '';
    try {
      const { images, evaluations } = await runJob(
        'sample/run',
        {
          ...request,
          sampler: this.sampler.name,
          workers: workers(),
          steps: frame === undefined ? this.steps : frame.total - frame.index,
          ...(frame && { start: { at: 'xt' as const, t: frame.t, values: frame.xt } }),
        },
        {
          signal,
          onProgress: (step) => {
            const total = kept.length + step.total;
            const index = kept.length + step.index;
            this.evaluations = done + step.evaluations;
            this.frames = [...this.frames, { ...step, index, total, evaluations: this.evaluations }];
          },
        },
      );
      this.images = images;
      this.evaluations = done + evaluations;
    } catch (error) {
      if (!isAbort(error)) this.error = (error as Error).message;
    }
    this.running = false;
  }
}
