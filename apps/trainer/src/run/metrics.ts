import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { parseJson } from '@diffusion-ts/checkpoints';
import { z } from 'zod';
import { replaceFile } from './replace-file.js';

const record = z.object({
  step: z.number().int(),
  loss: z.number(),
  quartiles: z.array(z.number().nullable()).length(4),
  gradientNorm: z.number(),
  rate: z.number(),
  imagesPerSecond: z.number(),
  seconds: z.number(),
});

/** One line of metrics.jsonl: the means since the line before it. `quartiles[q]` is the loss at t in that quarter of T. */
export type Metrics = z.infer<typeof record>;

/** Every whole line of the file. A kill may have cut the last line: it is not counted, nor is anything after it. */
export function readMetrics(file: string): Metrics[] {
  if (!existsSync(file)) return [];
  const metrics: Metrics[] = [];
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const parsed = record.safeParse(parse(line));
    if (!parsed.success) break;
    metrics.push(parsed.data);
  }
  return metrics;
}

export function appendMetrics(file: string, metrics: Metrics): void {
  appendFileSync(file, `${JSON.stringify(metrics)}\n`);
}

/** Drops what came after `step`, so that a resumed run writes no step twice, and half a line left by a kill. */
export function truncateMetrics(file: string, step: number): void {
  const kept = readMetrics(file).filter((metrics) => metrics.step <= step);
  replaceFile(file, kept.map((metrics) => `${JSON.stringify(metrics)}\n`).join(''));
}

function parse(line: string): unknown {
  try {
    return parseJson(line);
  } catch {
    return undefined;
  }
}
