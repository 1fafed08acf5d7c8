import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, statfs, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { Missing, say } from './step.js';

/** The digest of a file. */
export async function digest(
  file: string,
  algorithm: 'sha256' | 'sha512',
  encoding: 'hex' | 'base64',
): Promise<string> {
  const hash = createHash(algorithm);
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest(encoding);
}

const SUMS = 'SHA256SUMS';

/** Makes a folder: `fill` works in a temporary one beside it, and only a complete one, with its checksums, gets the name. */
export async function makeFolder(folder: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  await mkdir(dirname(folder), { recursive: true });
  const temporary = await mkdtemp(join(dirname(folder), '.new-'));
  try {
    await fill(temporary);
    await writeFile(join(temporary, SUMS), await sumsOf(temporary));
    await rm(folder, { recursive: true, force: true });
    await rename(temporary, folder);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Whether a folder is there as `makeFolder` made it; says so if it is there and is not. */
export async function isWhole(folder: string): Promise<boolean> {
  if (!existsSync(folder)) return false;
  const sums = await readFile(join(folder, SUMS), 'utf8').catch(() => undefined);
  if (sums === (await sumsOf(folder))) return true;
  say(`  ${folder} is damaged and is made anew`);
  return false;
}

/** The SHA-256 of every file of a folder. */
async function sumsOf(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const names = files.map((file) => relative(folder, file)).filter((name) => name !== SUMS);
  let sums = '';
  for (const name of names.sort()) sums += `${await digest(join(folder, name), 'sha256', 'hex')}  ${name}\n`;
  return sums;
}

/** @throws Missing if the disk of a folder has less room than that. */
export async function needRoom(folder: string, megabytes: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  const { bavail, bsize } = await statfs(folder);
  const free = Math.floor((bavail * bsize) / 2 ** 20);
  if (free < megabytes) {
    throw new Missing(
      `${folder} has ${free} MB free and ${megabytes} MB are needed: make room, or name another folder in DIFFUSION_TS_NATIVE.`,
    );
  }
}
