import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Our C++, in the published package too. */
export const NATIVE: string = fileURLToPath(new URL('../native', import.meta.url));

/** What `npm run native` made; every path is absolute. */
export interface Build {
  /** A small addon that keeps the process quiet while the other one is loaded. */
  process: string;
  /** The addon: tfjs-node's binding and our kernels. */
  addon: string;
  /** The folder of tfjs-node's JavaScript. */
  tfjsNode: string;
  /** Where TensorFlow's library comes from, for people. */
  libtensorflow: string;
}

/** Where everything native is kept: `$DIFFUSION_TS_NATIVE`, or a folder of the user's cache. */
export function nativeHome(): string {
  const { DIFFUSION_TS_NATIVE, XDG_CACHE_HOME } = process.env;
  if (DIFFUSION_TS_NATIVE) return DIFFUSION_TS_NATIVE;
  const cache =
    process.platform === 'darwin' ? join(homedir(), 'Library', 'Caches') : join(homedir(), '.cache');
  return join(XDG_CACHE_HOME || cache, 'diffusion-ts', 'native');
}

/** The folder of the build that belongs to these very sources: an edit of one asks for a new build. */
export function buildFolder(): string {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`);
  for (const name of readdirSync(NATIVE, { recursive: true, encoding: 'utf8' }).sort()) {
    const file = join(NATIVE, name);
    if (statSync(file).isFile()) hash.update(name).update(readFileSync(file));
  }
  return join(nativeHome(), `build-${hash.digest('hex').slice(0, 12)}`);
}

/** The build, unless there is none. */
export function findBuild(): Build | undefined {
  const manifest = join(buildFolder(), 'build.json');
  if (!existsSync(manifest)) return undefined;
  const build = JSON.parse(readFileSync(manifest, 'utf8')) as Build;
  return existsSync(build.addon) && existsSync(build.tfjsNode) ? build : undefined;
}
