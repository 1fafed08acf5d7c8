import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkpointSteps } from '../src/run/checkpoints.js';
import { diffusion, losses, start, train, weightsOf } from './cli.js';
import { folder } from './folder.js';

describe('a run', () => {
  it('always resumes after SIGKILL, whenever it comes, and ends where it would have without', async () => {
    const constant = ['--set', 'training.decay=constant'];
    const often = [...constant, '--set', 'training.checkpointEvery=1', '--set', 'training.keep=2'];
    const run = join(folder(), 'run');
    let reached = 0;
    for (let kill = 0; kill < 12; kill++) {
      const { child, end } = start(
        train(run, ...often, '--steps', '100000', ...(kill === 0 ? [] : ['--resume'])),
      );
      // Counted from the first step, a moment that no two kills share; the first kills come before that.
      child.stderr!.on('data', (text) => {
        if (kill < 3 || String(text).includes('train '))
          setTimeout(() => child.kill('SIGKILL'), 1 + kill * 11);
      });
      const { code, stderr } = await end;
      expect(stderr.replace(/^(Training|Resuming|train ).*\n/gm, '')).toBe('');
      expect(code).toBe(null);
      const latest = checkpointSteps(run).at(-1) ?? 0;
      expect(latest).toBeGreaterThanOrEqual(reached);
      reached = latest;
    }
    expect(reached).toBeGreaterThan(0);
    const last = String(reached + 1);
    await diffusion('train', '--backend', 'cpu', '--out', run, '--resume', '--steps', last);
    expect(readdirSync(join(run, 'checkpoints')).sort()).toEqual([String(reached), last].sort());

    const straight = join(folder(), 'run');
    await diffusion(...train(straight, ...constant, '--steps', last));
    expect(weightsOf(run, reached + 1)).toEqual(weightsOf(straight, reached + 1));
    expect(losses(run)).toEqual(losses(straight));
  });
});
