import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { forgetFiles, keepFile, own, storedFiles, storeFile } from '../src/lab/storage.js';
import { type PrivateFiles, privateFiles } from './private-files.js';

const NAME = 'run.safetensors';
const bytes = (seed: number, length = 100): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (seed * 31 + i * 7) % 256);

let disk: PrivateFiles;
beforeEach(() => {
  disk = privateFiles();
  vi.stubGlobal('navigator', disk.navigator());
});
afterEach(() => vi.unstubAllGlobals());

async function read(name = NAME): Promise<Uint8Array | undefined> {
  const file = (await storedFiles(name)).get(name);
  return file && new Uint8Array(await file.arrayBuffer());
}

describe('a stored file, in a browser without createWritable', () => {
  it('is what was stored last, however often, and lies there once', async () => {
    for (let k = 0; k < 5; k++) {
      await storeFile(NAME, bytes(k, 100 - 10 * k));
      expect(await read()).toEqual(bytes(k, 100 - 10 * k));
      expect(disk.files.size).toBe(1);
    }
    expect([...(await storedFiles('run')).keys()]).toEqual([NAME]);
  });

  it('is the one before, wherever the writing of the next one was cut off', async () => {
    for (let cut = 0; cut < 124; cut++) {
      for (const earlier of [1, 2]) {
        const cutDisk = privateFiles();
        vi.stubGlobal('navigator', cutDisk.navigator());
        for (let k = 0; k < earlier; k++) await storeFile(NAME, bytes(k));
        cutDisk.cutNextWriteAt(cut);
        await expect(storeFile(NAME, bytes(9))).rejects.toThrow();
        expect(await read(), `cut at ${cut}`).toEqual(bytes(earlier - 1));
      }
    }
  });

  it('is nothing where the first writing was cut off, and an earlier version of the site is read and followed', async () => {
    disk.cutNextWriteAt(50);
    await expect(storeFile(NAME, bytes(1))).rejects.toThrow();
    expect(await read()).toBeUndefined();

    disk = privateFiles();
    vi.stubGlobal('navigator', disk.navigator());
    disk.files.set(NAME, bytes(4));
    expect(await read()).toEqual(bytes(4));
    await storeFile(NAME, bytes(5));
    expect(await read()).toEqual(bytes(5));
    expect(disk.files.size).toBe(1);
  });

  it('stays away once it is forgotten, also while it is being written', async () => {
    await storeFile(NAME, bytes(1));
    const write = disk.holdWrites();
    const storing = storeFile(NAME, bytes(2));
    await write.begun;
    const forgetting = forgetFiles([NAME]);
    write.release();
    await Promise.all([storing, forgetting]);
    expect(disk.files.size).toBe(0);
  });

  it('is kept as it was where there is no room, and the visitor is told', async () => {
    await storeFile(NAME, bytes(1));
    disk.refuse('QuotaExceededError');
    expect(await keepFile(NAME, async () => bytes(2))).toBe(
      'This browser does not store the run (there is no room left for this site): it is lost when the page is closed.',
    );
    expect(await read()).toEqual(bytes(1));
    vi.stubGlobal('navigator', {});
    expect(await keepFile(NAME, async () => bytes(2))).toContain('(it gives this page no file system)');
  });

  it('belongs to one tab', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const other = disk.otherTab();
    expect(await own('a')).toBe(false);
    other.close();
    expect(await own('a')).toBe(true);
    vi.useRealTimers();
  });
});
