import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  checkpointFolder,
  checkpointSteps,
  cleanCheckpoints,
  removeCheckpoint,
  writeCheckpoint,
} from '../src/run/checkpoints.js';
import { folder } from './folder.js';

const files = (text: string) => ({ 'state.json': text, 'model.safetensors': Uint8Array.of(1, 2, 3) });

describe('checkpoints', () => {
  it('are counted by step, and only once they are complete', () => {
    const run = folder();
    expect(checkpointSteps(run)).toEqual([]);
    writeCheckpoint(run, 1000, files('a'), 9);
    writeCheckpoint(run, 200, files('b'), 9);
    mkdirSync(join(run, 'checkpoints', '.tmp-300'));
    mkdirSync(join(run, 'checkpoints', '.old-100'));
    expect(checkpointSteps(run)).toEqual([200, 1000]);
    expect([...readFileSync(join(checkpointFolder(run, 200), 'model.safetensors'))]).toEqual([1, 2, 3]);
  });

  it('leave only the newest ones', () => {
    const run = folder();
    for (const step of [10, 20, 30, 40]) writeCheckpoint(run, step, files(''), 2);
    expect(checkpointSteps(run)).toEqual([30, 40]);
    expect(readdirSync(join(run, 'checkpoints')).sort()).toEqual(['30', '40']);
  });

  it('keep what a step had when it is written again', () => {
    const run = folder();
    writeCheckpoint(run, 5, files('first'), 2);
    writeCheckpoint(run, 5, files('second'), 2);
    expect(readFileSync(join(checkpointFolder(run, 5), 'state.json'), 'utf8')).toBe('first');
  });

  it('leave nothing behind when one of their files cannot be written', () => {
    const run = folder();
    writeCheckpoint(run, 1, files('good'), 2);
    expect(() => writeCheckpoint(run, 2, { 'no/such/folder': '' }, 2)).toThrow('ENOENT');
    expect(readdirSync(join(run, 'checkpoints'))).toEqual(['1']);
  });

  it('are rid of what a kill left', () => {
    const run = folder();
    writeCheckpoint(run, 7, files('good'), 2);
    mkdirSync(join(run, 'checkpoints', '.tmp-8'));
    writeFileSync(join(run, 'checkpoints', '.tmp-8', 'model.safetensors'), 'half');
    cleanCheckpoints(run);
    expect(readdirSync(join(run, 'checkpoints'))).toEqual(['7']);
    removeCheckpoint(run, 7);
    expect(existsSync(checkpointFolder(run, 7))).toBe(false);
  });
});
