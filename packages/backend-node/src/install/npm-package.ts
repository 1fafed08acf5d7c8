import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digest } from './files.js';
import { Missing, run } from './step.js';

/** A package of npm, and the SHA-512 that its archive must have. */
export interface NpmPackage {
  name: string;
  version: string;
  sha512: string;
}

/** Unpacks a package into `folder`, from whatever registry npm is set to, without running any of its scripts. */
export async function unpackNpm({ name, version, sha512 }: NpmPackage, folder: string): Promise<void> {
  const temporary = await mkdtemp(join(tmpdir(), 'diffusion-npm-'));
  try {
    await run('npm', [
      'pack',
      `${name}@${version}`,
      '--pack-destination',
      temporary,
      '--loglevel',
      'error',
    ]).catch((error) => {
      if (error instanceof Missing) throw error;
      const reason = /code:? '?(E\w+)/.exec((error as Error).message)?.[1] ?? 'no reason given';
      throw new Missing(`npm cannot fetch ${name}@${version} (${reason}).`);
    });
    const [file] = await readdir(temporary);
    const archive = join(temporary, file!);
    const actual = await digest(archive, 'sha512', 'base64');
    if (actual !== sha512) throw new Error(`${name}@${version} has the checksum ${actual}, not ${sha512}`);
    await mkdir(folder, { recursive: true });
    await run('tar', ['-xzf', archive, '-C', folder, '--strip-components=1']);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}
