import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { digest, isWhole, makeFolder, needRoom } from './files.js';
import { has, Missing, run, say, stage } from './step.js';

/** TensorFlow's library, ready to be linked with. */
export interface LibTensorFlow {
  /** Where it came from, for people. */
  from: string;
  include: string;
  lib: string;
  /** The names of the files to link with, in `lib`. */
  main: string;
  framework: string;
}

const VERSION = '2.21.0';

/** The file that keeps the checksum of the wheel. */
const CHECKSUM = 'wheel.sha256';

/**
 * The wheels of Python 3.11: any Python can download and open them. Linux x64 is the one that is tested; the checksums
 * of the others are left to pip.
 */
const WHEELS: Record<string, { name: string; platform: string; sha256?: string }> = {
  'linux x64': {
    name: 'tensorflow-cpu',
    platform: 'manylinux_2_27_x86_64',
    sha256: '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c',
  },
  'linux arm64': { name: 'tensorflow', platform: 'manylinux_2_27_aarch64' },
  'darwin arm64': { name: 'tensorflow', platform: 'macosx_12_0_arm64' },
};

/** What tfjs-node 4.22 would download by itself. */
const OWN_VERSION = '2.9.1';
const OWN_ARCHIVES: Record<string, string> = {
  'linux x64': 'cpu-linux-x86_64',
  'darwin x64': 'cpu-darwin-x86_64',
};

const PLATFORM = `${process.platform} ${process.arch}`;

/** The first of: the folder that the user names, the wheel of TensorFlow for Python, tfjs-node's own download. */
export async function libtensorflow(home: string, named: string | undefined): Promise<LibTensorFlow> {
  if (named !== undefined) return describe(resolve(named), theFolder(named));
  const wheel = WHEELS[PLATFORM];
  if (wheel) {
    const folder = join(home, `libtensorflow-${VERSION}`);
    const from = async (): Promise<string> => {
      const sha256 = await readFile(join(folder, CHECKSUM), 'utf8');
      return `the wheel ${wheel.name} ${VERSION} (sha256 ${sha256.slice(0, 12)}…)`;
    };
    if (await isWhole(folder)) {
      say(`  libtensorflow ${VERSION} is in the cache`);
      return describe(folder, await from());
    }
    try {
      await fromWheel(home, folder, wheel);
      return await describe(folder, await from());
    } catch (error) {
      if (error instanceof Missing && !OWN_ARCHIVES[PLATFORM]) throw error;
      say(`  The wheel cannot be had: ${(error as Error).message.trim().split('\n').at(-1)}`);
    }
  }
  const archive = OWN_ARCHIVES[PLATFORM];
  if (!archive) {
    throw new Missing(
      `There is no libtensorflow to download for ${PLATFORM}: name a folder that has one with --libtensorflow.`,
    );
  }
  const folder = join(home, `libtensorflow-${OWN_VERSION}`);
  if (!(await isWhole(folder))) await fromOwnDownload(home, folder, archive);
  return describe(folder, `tfjs-node's download, ${OWN_VERSION}`);
}

/** How a folder that the user names is called. */
export function theFolder(named: string): string {
  return `the folder ${resolve(named)}`;
}

async function fromWheel(
  home: string,
  folder: string,
  { name, platform, sha256 }: { name: string; platform: string; sha256?: string },
): Promise<void> {
  if (!(await has('python3', '-m', 'pip', '--version'))) {
    throw new Missing('python3 with pip was not found on the PATH: it downloads the wheel of TensorFlow.');
  }
  await needRoom(home, 1300);
  const downloads = await mkdtemp(join(home, '.wheel-'));
  try {
    await stage(`downloading ${name} ${VERSION} (about 270 MB)`, () =>
      run('python3', [
        ...['-m', 'pip', 'download', `${name}==${VERSION}`, '--no-deps', '--only-binary=:all:', '--quiet'],
        '--disable-pip-version-check',
        ...['--implementation', 'cp', '--python-version', '3.11', '--abi', 'cp311', '--platform', platform],
        ...['--dest', downloads, '--no-cache-dir'],
      ]),
    );
    const wheel = join(downloads, (await readdir(downloads))[0]!);
    const actual = await stage('checking it', () => digest(wheel, 'sha256', 'hex'));
    if (sha256 !== undefined && actual !== sha256) {
      throw new Error(`the wheel has the checksum ${actual}, not ${sha256}`);
    }
    await stage('keeping its two libraries and its headers', () =>
      makeFolder(folder, async (temporary) => {
        await run('python3', ['-c', UNPACK, wheel, temporary]);
        await writeFile(join(temporary, CHECKSUM), `${actual}\n`);
      }),
    );
  } finally {
    await rm(downloads, { recursive: true, force: true });
  }
}

/** Only what the addon includes and links with: the C headers, the two libraries, the licence. */
const UNPACK = `
import os, re, sys, zipfile
wheel, folder = sys.argv[1:]
wanted = re.compile(r'tensorflow/(lib(tensorflow_cc|tensorflow_framework)\\.\\S*|include/(tensorflow/(c|core/platform|core/common_runtime/next_pluggable_device/c)|xla/tsl/c|tsl/platform)/.*\\.h)$|\\S*\\.dist-info/LICENSE.*')
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        if wanted.match(name):
            path = os.path.join(folder, name.replace('tensorflow/', '', 1))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with archive.open(name) as source, open(path, 'wb') as target:
                while block := source.read(1 << 22):
                    target.write(block)
`;

async function fromOwnDownload(home: string, folder: string, archive: string): Promise<void> {
  await needRoom(home, 900);
  const address = `https://storage.googleapis.com/tensorflow/libtensorflow/libtensorflow-${archive}-${OWN_VERSION}.tar.gz`;
  await makeFolder(folder, async (temporary) => {
    const file = join(temporary, 'archive.tar.gz');
    await stage(`downloading libtensorflow ${OWN_VERSION} for ${archive}`, async () => {
      const response = await fetch(address).catch(() => undefined);
      if (!response?.ok) {
        const reason = response?.status ?? 'no connection';
        throw new Missing(
          `${address} cannot be reached (${reason}): name a folder that has libtensorflow with --libtensorflow.`,
        );
      }
      await writeFile(file, response.body!).catch(() => {
        throw new Missing(`${address} broke off while it was downloaded.`);
      });
    });
    // gzip has a checksum of its own; there is none beside the archive.
    await run('tar', ['-xzf', file, '-C', temporary]).catch(() => {
      throw new Missing(`${address} came damaged: tar cannot unpack it.`);
    });
    await rm(file);
  });
}

/** Looks for the headers and libraries in a folder: flat as in the wheel, or with a lib/ as in TensorFlow's archives. */
async function describe(folder: string, from: string): Promise<LibTensorFlow> {
  const include = join(folder, 'include');
  const lib = existsSync(join(folder, 'lib')) ? join(folder, 'lib') : folder;
  const names = existsSync(lib) ? await readdir(lib) : [];
  // The shortest name that has the version in it; on macOS the version stands before the ending.
  const find = (name: string): string | undefined =>
    names
      .filter((file) => new RegExp(`^lib${name}(\\.so\\.2|\\.2\\.dylib)`).test(file))
      .sort((a, b) => a.length - b.length)[0];
  const main = find('tensorflow_cc') ?? find('tensorflow');
  const framework = find('tensorflow_framework');
  if (!main || !framework || !existsSync(join(include, 'tensorflow', 'c', 'c_api.h'))) {
    throw new Missing(
      `${folder} does not hold libtensorflow_cc or libtensorflow, libtensorflow_framework and include/tensorflow/c.`,
    );
  }
  return { from, include, lib, main, framework };
}
