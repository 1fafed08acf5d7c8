import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
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
    fetching("throw new Error('the tests have no network')");
  });
  afterEach(() => rmSync(home, { recursive: true }));

  /** Puts a folder into the cache; files without their checksums are damaged. */
  function cached(name: string, sums: string): void {
    const folder = join(home, 'native', name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'SHA256SUMS'), sums);
  }

  /** The cache has everything but libtensorflow. */
  const cachedSources = (): void => {
    for (const name of ['tfjs-node-4.22.0', 'node-api-headers-1.9.0']) cached(name, '');
  };

  let network = '';
  /** What the next run gets in the place of `fetch`: the body of a function. */
  const fetching = (body: string): void => {
    const script = encodeURIComponent(`globalThis.fetch = async () => { ${body} }`);
    network = `--import=data:text/javascript,${script}`;
  };

  /** Runs it; `programs` are all it finds on the PATH, as shell scripts. */
  function native(programs: Record<string, string>, ...args: string[]): { status: number; said: string } {
    const bin = join(home, 'bin');
    mkdirSync(bin, { recursive: true });
    for (const [name, script] of Object.entries(programs)) {
      writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
      chmodSync(join(bin, name), 0o755);
    }
    const env = { PATH: bin, HOME: home, DIFFUSION_TS_NATIVE: join(home, 'native'), NODE_OPTIONS: network };
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
    cachedSources();
    const { status, said } = native({ 'g++': 'exit 0' }, '--libtensorflow', home);
    expect(said).toContain(
      `${home} does not hold libtensorflow_cc or libtensorflow, libtensorflow_framework and include/tensorflow/c.`,
    );
    expect(status).toBe(3);
  });

  it('says that npm cannot reach its registry', () => {
    const { status, said } = native({ 'g++': 'exit 0', npm: 'echo npm error code ENOTFOUND >&2; exit 1' });
    expect(said).toContain('npm cannot fetch @tensorflow/tfjs-node@4.22.0 (ENOTFOUND).\n');
    expect(status).toBe(3);
  });

  // On other machines there is no wheel with a known checksum, or no other source than the wheel.
  describe.runIf(process.platform === 'linux' && process.arch === 'x64')('where there is no wheel', () => {
    const own =
      'https://storage.googleapis.com/tensorflow/libtensorflow/libtensorflow-cpu-linux-x86_64-2.9.1.tar.gz';
    const pip = (download: string): string => `case "$*" in *--version) exit 0 ;; esac\n${download}`;

    it.each<[string, string, string]>([
      [
        'no connection',
        "throw new Error('offline')",
        `${own} cannot be reached (no connection): name a folder `,
      ],
      [
        'an answer that says no',
        'return new Response("", { status: 403 })',
        `${own} cannot be reached (403): `,
      ],
      [
        'a download that breaks off',
        "return new Response(new ReadableStream({ start: (c) => c.error(new Error('reset')) }))",
        `${own} broke off while it was downloaded.\n`,
      ],
      [
        'an archive that is none',
        "return new Response('garbage')",
        `${own} came damaged: tar cannot unpack it.\n`,
      ],
    ])("turns to tfjs-node's own library and says of %s what it is", (_name, body, sentence) => {
      cachedSources();
      fetching(body);
      const { status, said } = native({ 'g++': 'exit 0', tar: 'exit 2' });
      expect(said).toContain('The wheel cannot be had: python3 with pip was not found on the PATH');
      expect(said).toContain(sentence);
      expect(status).toBe(3);
    });

    it('refuses a wheel that has another checksum', () => {
      cachedSources();
      const download = 'while [ "$1" != --dest ]; do shift; done\necho something else > "$2/a.whl"';
      const { said } = native({ 'g++': 'exit 0', python3: pip(download) });
      expect(said).toContain('The wheel cannot be had: the wheel has the checksum ');
      expect(said).not.toContain('compiling');
    });

    it('takes what is in the cache if its checksums are right, and nothing of it if one is not', () => {
      cachedSources();
      const file = 'wheel.sha256';
      const sumOf = (text: string): string => createHash('sha256').update(text).digest('hex');
      cached('libtensorflow-2.21.0', `${sumOf('whole')}  ${file}\n`);
      const at = join(home, 'native', 'libtensorflow-2.21.0', file);
      writeFileSync(at, 'whole');
      const whole = native({ 'g++': 'exit 0' });
      expect(whole.said).toContain('libtensorflow 2.21.0 is in the cache');
      writeFileSync(at, 'w');
      const truncated = native({ 'g++': 'exit 0' });
      expect(truncated.said).toContain('libtensorflow-2.21.0 is damaged and is made anew');
      expect(truncated.said).not.toContain('is in the cache');
    });
  });
});
