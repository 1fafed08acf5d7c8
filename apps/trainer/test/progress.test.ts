import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { duration, progress, significant } from '../src/progress.js';

describe('progress', () => {
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
    let text = '';
    const stream = new Writable({
      write(chunk, _, done) {
        text += chunk;
        done();
      },
    }) as unknown as NodeJS.WriteStream;
    const bar = progress('train', 0, 3, stream);
    for (const step of [1, 2, 3]) bar.update(step, 'loss 0.1234');
    bar.stop();
    expect(text.split('\n').map((line) => line.replace(/ · [^·]* left$/, ''))).toEqual([
      'train 1/3 · loss 0.1234',
      'train 3/3 · loss 0.1234',
      '',
    ]);
  });
});
