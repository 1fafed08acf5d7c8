import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const MAIN = fileURLToPath(new URL('../dist/install/main.js', import.meta.url));

describe('npm run native', () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'diffusion-native-'));
  });
  afterEach(() => rmSync(home, { recursive: true }));

  /** Runs it in an empty cache; `programs` are all it finds on the PATH, as shell scripts. */
  function native(programs: Record<string, string>, ...args: string[]): { status: number; said: string } {
    const bin = join(home, 'bin');
    mkdirSync(bin);
    for (const [name, script] of Object.entries(programs)) {
      writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
      chmodSync(join(bin, name), 0o755);
    }
    const env = { PATH: bin, HOME: home, DIFFUSION_TS_NATIVE: join(home, 'native') };
    const { status, stderr } = spawnSync(process.execPath, [MAIN, ...args], { env, encoding: 'utf8' });
    return { status: status!, said: stderr };
  }

  it('says that there is no compiler, and ends with 3', () => {
    const { status, said } = native({});
    expect(said).toContain('No C++ compiler was found: ');
    expect(status).toBe(3);
  });

  it('says that npm is missing', () => {
    const { status, said } = native({ 'g++': 'exit 0' });
    expect(said).toContain('npm was not found on the PATH.');
    expect(status).toBe(3);
  });

  it('refuses a package that has another checksum, and keeps nothing of it', () => {
    // npm pack <package> --pack-destination <folder>
    const { status, said } = native({ 'g++': 'exit 0', npm: 'echo something else > "$4/package.tgz"' });
    expect(said).toContain('@tensorflow/tfjs-node@4.22.0 has the checksum ');
    expect(status).toBe(1);
    expect(said).not.toContain('compiling');
  });

  it('says what a folder named with --libtensorflow lacks', () => {
    for (const name of ['tfjs-node-4.22.0', 'node-api-headers-1.9.0']) {
      mkdirSync(join(home, 'native', name), { recursive: true });
    }
    const { status, said } = native({ 'g++': 'exit 0' }, '--libtensorflow', home);
    expect(said).toContain(
      `${home} does not hold libtensorflow_cc or libtensorflow, libtensorflow_framework and include/tensorflow/c.`,
    );
    expect(status).toBe(3);
  });
});
