import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Build, NATIVE } from '../home.js';
import type { LibTensorFlow } from './libtensorflow.js';
import { has, Missing, run } from './step.js';

/** The C++ compiler: `$CXX`, or what the system calls one. */
export async function findCompiler(): Promise<string> {
  const { CXX } = process.env;
  for (const compiler of CXX ? [CXX] : ['g++', 'clang++', 'c++']) {
    if (await has(compiler, '--version')) return compiler;
  }
  throw new Missing(
    process.platform === 'darwin'
      ? 'No C++ compiler was found: run `xcode-select --install`, or name one in CXX.'
      : 'No C++ compiler was found: install g++ or clang++, or name one in CXX.',
  );
}

/** Compiles the addon that keeps the process quiet, and the one of tfjs-node's binding and our kernels. */
export async function compileAddons(
  compiler: string,
  tfjsNode: string,
  napi: string,
  { include, lib, main, framework }: LibTensorFlow,
  folder: string,
): Promise<Pick<Build, 'process' | 'addon'>> {
  const module = ['-DNAPI_VERSION=8', '-DBUILDING_NODE_EXTENSION', '-I', join(napi, 'include')];
  const binding = [
    ...[...module, '-O2', '-w', '-I', tfjsNode, '-DNODE_GYP_MODULE_NAME=tfjs_binding'],
    '-DTFE_NewContext=diffusion_new_context',
  ];
  const kernels = join(NATIVE, 'kernels');
  const units = [
    { source: join(NATIVE, 'process.cc'), flags: [...module, '-O2', '-Wall'] },
    { source: join(tfjsNode, 'binding', 'tfjs_backend.cc'), flags: binding },
    { source: join(tfjsNode, 'binding', 'tfjs_binding.cc'), flags: binding },
    { source: join(NATIVE, 'new-context.cc'), flags: ['-O2', '-Wall'] },
    ...(await readdir(kernels))
      .filter((name) => name.endsWith('.cc'))
      .map((name) => ({ source: join(kernels, name), flags: name === 'random.cc' ? EXACT : OPTIMISED })),
  ];
  const [processObject, ...objects] = await Promise.all(
    units.map(async ({ source, flags }, i) => {
      const object = join(folder, `${i}.o`);
      await run(compiler, ['-std=c++17', '-fPIC', '-I', include, ...flags, '-c', source, '-o', object]);
      return object;
    }),
  );
  const link = async (name: string, parts: string[], libraries: string[]): Promise<string> => {
    const file = join(folder, name);
    const kind = process.platform === 'darwin' ? ['-bundle', '-undefined', 'dynamic_lookup'] : ['-shared'];
    const paths = libraries.map((library) => join(lib, library));
    await run(compiler, [...kind, ...parts, ...paths, '-pthread', `-Wl,-rpath,${lib}`, '-o', file]);
    return file;
  };
  return {
    process: await link('process.node', [processObject!], []),
    addon: await link('tfjs_binding.node', objects, [main, framework]),
  };
}

/** Our kernels are compiled for this very machine; nobody asks for errno or for traps, which keep loops from vectors. */
const OPTIMISED = ['-O3', '-march=native', '-fno-math-errno', '-fno-trapping-math', '-Wall', '-Wno-psabi'];

/** What must give the same bits on every machine. */
const EXACT = [...OPTIMISED, '-ffp-contract=off'];
