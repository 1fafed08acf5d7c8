import { fileURLToPath } from 'node:url';
import { type BuildOptions, type BuildResult, build } from 'esbuild';
import { describe, expect, it } from 'vitest';

function bundled(entry: string, options: BuildOptions): Promise<BuildResult<{ metafile: true }>> {
  return build({
    entryPoints: [fileURLToPath(new URL(`../src/${entry}.ts`, import.meta.url))],
    conditions: ['@diffusion-ts/source'],
    format: 'esm',
    bundle: true,
    write: false,
    logLevel: 'silent',
    ...options,
    metafile: true,
  });
}

describe('the package', () => {
  it.each(['index', 'config/index'])('is bundled for a browser with nothing of Node: %s', async (entry) => {
    // esbuild fails where a browser has no such module.
    expect((await bundled(entry, { platform: 'browser' })).errors).toEqual([]);
    // Bundled for Node it leaves Node's modules where they are, and would tell.
    const { metafile } = await bundled(entry, { platform: 'node', external: ['@tensorflow/*'] });
    const imports = Object.values(metafile.inputs).flatMap(({ imports }) => imports);
    const left = imports.filter(({ external }) => external).map(({ path }) => path);
    expect(left.filter((path) => !path.startsWith('@tensorflow/tfjs-core'))).toEqual([]);
    expect(left.length).toBeGreaterThan(0);
  });

  it('reads a config without the network, the losses or the training', async () => {
    const { metafile } = await bundled('config/index', { platform: 'browser' });
    const packages = Object.keys(metafile.inputs).flatMap(
      (file) => /packages\/([^/]+)\//.exec(file)?.[1] ?? [],
    );
    for (const name of ['models', 'losses', 'training', 'datasets']) expect(packages).not.toContain(name);
  });
});
