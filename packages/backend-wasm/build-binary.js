// Compiles the AssemblyScript kernels and embeds each binary in a module, so that Node, bundlers and workers load it alike.
// tfjs's own binary is laid beside it, where use-wasm.js finds it however it is bundled.

import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import asc from 'assemblyscript/asc';

mkdirSync('dist', { recursive: true });
// Products and sums are one instruction where the engine has relaxed SIMD.
await build('binary', ['simd']);
await build('fused-binary', ['simd', 'relaxed-simd']);

const tfjs = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm/package.json'));
copyFileSync(join(tfjs, 'dist/tfjs-backend-wasm-simd.wasm'), 'dist/tfjs-backend-wasm-simd.wasm');

async function build(name, features) {
  const { error, stderr, binary } = await compile(features);
  if (error !== null) {
    console.error(stderr);
    process.exit(1);
  }
  if (hasData(binary)) {
    console.error('the kernels carry a data segment, which would land on the memory of tfjs');
    process.exit(1);
  }
  writeFileSync(
    `dist/${name}.js`,
    `export const binary = /* @__PURE__ */ Uint8Array.from(atob('${Buffer.from(binary).toString('base64')}'), (c) => c.charCodeAt(0));\n`,
  );
}

async function compile(features) {
  const files = new Map();
  const { error, stderr } = await asc.main(
    // biome-ignore format: one line for what goes in and out, one for what the module may have, one for speed
    [
      'assembly/index.ts', '--outFile', 'kernels.wasm',
      '--runtime', 'stub', '--importMemory', ...features.flatMap((feature) => ['--enable', feature]),
      '--use', 'abort=', '--noAssert',
      '--optimizeLevel', '3', '--shrinkLevel', '0',
    ],
    {
      readFile: (name) => {
        // AssemblyScript is not TypeScript: under another extension no tool mistakes it for that.
        const source = name.replace(/\.ts$/, '.as');
        return existsSync(source) ? readFileSync(source, 'utf8') : null;
      },
      writeFile: (name, contents) => void files.set(name, contents),
    },
  );
  return { error, stderr: stderr.toString(), binary: files.get('kernels.wasm') };
}

/** Whether a WebAssembly binary has a data section (id 11) that is not empty. */
function hasData(bytes) {
  for (let at = 8; at < bytes.length; ) {
    const id = bytes[at++];
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      size |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    if (id === 11 && bytes[at] !== 0) return true;
    at += size;
  }
  return false;
}
