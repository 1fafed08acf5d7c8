import type { StepRecord } from '@diffusion-ts/training';
import { z } from 'zod';
import type { Metrics } from './metrics.js';

const schema = z.object({
  steps: z.number(),
  images: z.number(),
  seconds: z.number(),
  loss: z.number(),
  gradientNorm: z.number(),
  quartileSums: z.array(z.number()).length(4),
  quartileSteps: z.array(z.number()).length(4),
});

/** Sums over the steps since the last line of metrics.jsonl. A checkpoint holds them, so that no line depends on where a run was interrupted. */
export type Interval = z.infer<typeof schema>;

export function emptyInterval(): Interval {
  return {
    steps: 0,
    images: 0,
    seconds: 0,
    loss: 0,
    gradientNorm: 0,
    quartileSums: [0, 0, 0, 0],
    quartileSteps: [0, 0, 0, 0],
  };
}

/** The interval that a checkpoint holds; an empty one where it holds none. */
export function readInterval(saved: unknown): Interval {
  const parsed = schema.safeParse(saved);
  return parsed.success ? parsed.data : emptyInterval();
}

export function addStep(interval: Interval, record: StepRecord, seconds: number): void {
  interval.steps += 1;
  interval.images += record.images;
  interval.seconds += seconds;
  interval.loss += record.loss;
  interval.gradientNorm += record.gradNorm;
  record.lossByQuartile.forEach((loss, quarter) => {
    if (loss === undefined) return;
    interval.quartileSums[quarter]! += loss;
    interval.quartileSteps[quarter]! += 1;
  });
}

/** The means of the interval, as one line of metrics.jsonl. */
export function metricsOf(interval: Interval, { step, learningRate }: StepRecord): Metrics {
  const { steps, images, seconds, loss, gradientNorm, quartileSums, quartileSteps } = interval;
  return {
    step,
    loss: loss / steps,
    quartiles: quartileSums.map((sum, quarter) =>
      quartileSteps[quarter] === 0 ? null : sum / quartileSteps[quarter]!,
    ),
    gradientNorm: gradientNorm / steps,
    rate: learningRate,
    imagesPerSecond: images / seconds,
    seconds,
  };
}
