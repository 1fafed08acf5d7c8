import { Writable } from 'node:stream';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { duration, forecast, progress, significant } from '../src/progress.js';

function recorder(): { stream: NodeJS.WriteStream; text(): string } {
  let text = '';
  const stream = new Writable({
    write(chunk, _, done) {
      text += chunk;
      done();
    },
  }) as unknown as NodeJS.WriteStream;
  return { stream, text: () => text };
}

describe('progress', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('says how long it will take in minutes, hours or days, and of a short time nothing', () => {
    expect([
      forecast(4000, 1.3),
      forecast(12_000, 0.44),
      forecast(100_000, 0.046),
      forecast(100, 2),
      forecast(3, Number.POSITIVE_INFINITY),
    ]).toEqual([
      'This will take about 51 minutes: 4,000 steps at 1.3 steps/s.',
      'This will take about 8 hours: 12,000 steps at 2.3 s a step.',
      'This will take about 25 days: 100,000 steps at 22 s a step.',
      undefined,
      undefined,
    ]);
  });

  it('measures some steps after the first, which is slower, and says it once', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const { stream, text } = recorder();
    const bar = progress('train', 10, 1000, { stream, even: true });
    for (let step = 11; step < 30; step++) {
      vi.advanceTimersByTime(step === 11 ? 5000 : 500);
      bar.update(step, '');
    }
    // Five steps after step 11, 984 are left.
    expect(text().match(/This.*/g)).toEqual(['This will take about 8 minutes: 984 steps at 2.0 steps/s.']);
  });

  it('writes a loss with four significant digits', () => {
    expect([1.23456, 0.034, 0.1, 12345.6, 0.000012345].map(significant)).toEqual([
      '1.235',
      '0.03400',
      '0.1000',
      '12,346',
      '1.234e-5',
    ]);
  });

  it('writes times as people say them', () => {
    expect([8.4, 75, 4000].map(duration)).toEqual(['8 s', '1 min 15 s', '1 h 06 min']);
  });

  it('is a plain line now and then where there is no terminal, and always one at the end', () => {
    const { stream, text } = recorder();
    const bar = progress('train', 0, 3, { stream });
    for (const step of [1, 2, 3]) bar.update(step, 'loss 0.1234');
    bar.stop();
    expect(
      text()
        .split('\n')
        .map((line) => line.replace(/ · [^·]* left$/, '')),
    ).toEqual(['train 1/3 · loss 0.1234', 'train 3/3 · loss 0.1234', '']);
  });
});
