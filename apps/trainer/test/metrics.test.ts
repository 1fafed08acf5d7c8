import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { appendMetrics, type Metrics, readMetrics, truncateMetrics } from '../src/run/metrics.js';
import { folder } from './folder.js';

const at = (step: number): Metrics => ({
  step,
  loss: 1 / step,
  quartiles: [1, 2, null, 4],
  gradientNorm: 3,
  rate: 1e-3,
  imagesPerSecond: 100,
  seconds: 1,
});

function written(...steps: number[]): string {
  const file = join(folder(), 'metrics.jsonl');
  for (const step of steps) appendMetrics(file, at(step));
  return file;
}

describe('metrics.jsonl', () => {
  it('gives back what was appended', () => {
    expect(readMetrics(written(1, 2))).toEqual([at(1), at(2)]);
    expect(readMetrics('no/such/file')).toEqual([]);
  });

  it('loses what came after the step that a run resumes from', () => {
    const file = written(10, 20, 30, 40);
    truncateMetrics(file, 20);
    appendMetrics(file, at(30));
    expect(readMetrics(file).map(({ step }) => step)).toEqual([10, 20, 30]);
  });

  it('loses half a line that a kill left', () => {
    const file = written(10, 20);
    appendFileSync(file, '{"step":30,"loss":0.');
    truncateMetrics(file, 30);
    appendMetrics(file, at(30));
    expect(readMetrics(file).map(({ step }) => step)).toEqual([10, 20, 30]);
    expect(readFileSync(file, 'utf8').split('\n')).toHaveLength(4);
  });
});
