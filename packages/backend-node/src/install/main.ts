#!/usr/bin/env node
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Build, buildFolder, findBuild, nativeHome } from '../home.js';
import { CORE } from '../tfjs-node.js';
import { compileAddons, findCompiler } from './compile.js';
import { isWhole, makeFolder } from './files.js';
import { libtensorflow, theFolder } from './libtensorflow.js';
import { type NpmPackage, unpackNpm } from './npm-package.js';
import { Missing, run, say, stage } from './step.js';

const TFJS_NODE: NpmPackage = {
  name: '@tensorflow/tfjs-node',
  version: '4.22.0',
  sha512: 'uHrXeUlfgkMxTZqHkESSV7zSdKdV0LlsBeblqkuKU9nnfxB1pC6DtoyYVaLxznzZy7WQSegjcohxxCjAf6Dc7w==',
};
const NODE_API: NpmPackage = {
  name: 'node-api-headers',
  version: '1.9.0',
  sha512: '2oNILP4jXwRB4ywnYKjVk1YyJ96n2D4EOVJO6S3oYZ5PtbJrw3Yt9TpAuX3nBLMuzn74rnfGQrv13pS9vC+YiA==',
};

const HELP = `Makes the tensorflow backend available: fetches the sources of tfjs-node and a libtensorflow,
compiles them with our kernels, and tests the result. Nothing outside one folder is touched.

  npx diffusion-native [--libtensorflow <folder>] [--force]

  --libtensorflow  a folder with TensorFlow's libraries and headers (or LIBTENSORFLOW in the environment);
                   otherwise the wheel tensorflow-cpu is downloaded with pip, or else tfjs-node's own library
  --force          builds again what is there already

The folder is ${nativeHome()}
(another one: DIFFUSION_TS_NATIVE). The compiler is g++, clang++ or c++ (another one: CXX).
Linux x64 is tested; Linux arm64 and macOS are not.
`;

/** Whether there is a build that works, on the library that the user names if one is named. */
async function isThere(named: string | undefined): Promise<boolean> {
  const build = findBuild();
  if (!build || (named !== undefined && build.libtensorflow !== theFolder(named))) return false;
  say(`  The build is there already: ${buildFolder()}`);
  return test().then(
    () => true,
    () => {
      say('  It does not work, so it is made anew');
      return false;
    },
  );
}

/** Runs the self-test in a process of its own, so that a crash is a sentence and not the end. */
async function test(): Promise<void> {
  const report = await stage('testing it', () =>
    run(process.execPath, [fileURLToPath(new URL('./self-test.js', import.meta.url))]),
  );
  say(report.trim());
}

/** Makes the build, from what is whole in the cache and what is fetched. */
async function install(named: string | undefined): Promise<void> {
  const home = nativeHome();
  const folder = buildFolder();
  const compiler = await findCompiler();
  const tfjsNode = join(home, `tfjs-node-${TFJS_NODE.version}`);
  const napi = join(home, `node-api-headers-${NODE_API.version}`);
  if (!(await isWhole(tfjsNode))) {
    await stage(`fetching the sources of tfjs-node ${TFJS_NODE.version}`, () =>
      makeFolder(tfjsNode, async (temporary) => {
        await unpackNpm(TFJS_NODE, temporary);
        await joinToCore(temporary);
      }),
    );
  }
  if (!(await isWhole(napi))) {
    await stage('fetching the headers of Node-API', () =>
      makeFolder(napi, (temporary) => unpackNpm(NODE_API, temporary)),
    );
  }
  const library = await libtensorflow(home, named);
  await stage(`compiling the addon and our kernels with ${compiler}`, async () => {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    const addons = await compileAddons(compiler, tfjsNode, napi, library, folder);
    const build: Build = { ...addons, tfjsNode, libtensorflow: library.from };
    await writeFile(join(folder, 'build.json'), `${JSON.stringify(build, null, 2)}\n`);
  });
}

/** Instead of its dependencies tfjs-node gets the tfjs-core of whoever loads it, and none of what it saves models with. */
async function joinToCore(tfjsNode: string): Promise<void> {
  const core = `module.exports = globalThis[Symbol.for('${CORE}')];\n`;
  for (const name of ['tfjs', 'tfjs-core']) {
    const folder = join(tfjsNode, 'node_modules', '@tensorflow', name);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'index.js'), core);
  }
  await writeFile(join(tfjsNode, 'dist', 'proto', 'api_pb.js'), 'module.exports = {};\n');
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      libtensorflow: { type: 'string' },
      force: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  say(`The tensorflow backend, in ${nativeHome()}`);
  const named = values.libtensorflow ?? process.env.LIBTENSORFLOW;
  if (!values.force && (await isThere(named))) return;
  await install(named);
  await test();
}

try {
  await main();
} catch (error) {
  say((error as Error).message);
  if (!(error instanceof Missing) && process.env.DEBUG) throw error;
  // 3: the machine lacks something, which is not our fault; CI goes on without the backend then.
  process.exitCode = error instanceof Missing ? 3 : 1;
}
