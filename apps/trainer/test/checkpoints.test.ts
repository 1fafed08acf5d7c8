import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  checkpointFolder,
  checkpointSteps,
  cleanCheckpoints,
  removeCheckpoint,
  writeCheckpoint,
} from '../src/run/checkpoints.js';

const run = (): string => mkdtempSync(join(tmpdir(), 'run-'));
const files = (text: string) => ({ 'state.json': text, 'model.safetensors': Uint8Array.of(1, 2, 3) });

describe('checkpoints', () => {
  it('are counted by step, and only once they are complete', () => {
    const folder = run();
    expect(checkpointSteps(folder)).toEqual([]);
    writeCheckpoint(folder, 1000, files('a'), 9);
    writeCheckpoint(folder, 200, files('b'), 9);
    mkdirSync(join(folder, 'checkpoints', '.tmp-300'));
    mkdirSync(join(folder, 'checkpoints', '.old-100'));
    expect(checkpointSteps(folder)).toEqual([200, 1000]);
    expect([...readFileSync(join(checkpointFolder(folder, 200), 'model.safetensors'))]).toEqual([1, 2, 3]);
  });

  it('leave only the newest ones', () => {
    const folder = run();
    for (const step of [10, 20, 30, 40]) writeCheckpoint(folder, step, files(''), 2);
    expect(checkpointSteps(folder)).toEqual([30, 40]);
    expect(readdirSync(join(folder, 'checkpoints')).sort()).toEqual(['30', '40']);
  });

  it('keep what a step had when it is written again', () => {
    const folder = run();
    writeCheckpoint(folder, 5, files('first'), 2);
    writeCheckpoint(folder, 5, files('second'), 2);
    expect(readFileSync(join(checkpointFolder(folder, 5), 'state.json'), 'utf8')).toBe('first');
  });

  it('leave nothing behind when one of their files cannot be written', () => {
    const folder = run();
    writeCheckpoint(folder, 1, files('good'), 2);
    expect(() => writeCheckpoint(folder, 2, { 'no/such/folder': '' }, 2)).toThrow('ENOENT');
    expect(readdirSync(join(folder, 'checkpoints'))).toEqual(['1']);
  });

  it('are rid of what a kill left', () => {
    const folder = run();
    writeCheckpoint(folder, 7, files('good'), 2);
    mkdirSync(join(folder, 'checkpoints', '.tmp-8'));
    writeFileSync(join(folder, 'checkpoints', '.tmp-8', 'model.safetensors'), 'half');
    cleanCheckpoints(folder);
    expect(readdirSync(join(folder, 'checkpoints'))).toEqual(['7']);
    removeCheckpoint(folder, 7);
    expect(existsSync(checkpointFolder(folder, 7))).toBe(false);
  });
});
