import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { build, type Rolldown } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useWasm } from '../src/index.js';
import { compute } from './browser/compute.js';
import type { Answer } from './browser/run.js';

const executablePath = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/google-chrome'].find(
  (path) => path !== undefined && existsSync(path),
);

const folder = fileURLToPath(new URL('..', import.meta.url));

/** The files that Vite makes of the page's script, by their paths. */
async function buildWithVite(): Promise<Map<string, string | Uint8Array>> {
  const { output } = (await build({
    root: folder,
    configFile: false,
    logLevel: 'error',
    resolve: {
      alias: { '@diffusion-ts/backend-wasm': `${folder}src/index.ts` },
      conditions: ['@diffusion-ts/source', 'module', 'browser', 'development|production'],
    },
    build: {
      write: false,
      target: 'es2022',
      rolldownOptions: { input: `${folder}test/browser/run.ts`, output: { entryFileNames: 'run.js' } },
    },
  })) as Rolldown.RolldownOutput;
  return new Map(
    output.map((file) => [`/${file.fileName}`, file.type === 'chunk' ? file.code : file.source]),
  );
}

describe.skipIf(executablePath === undefined)(
  executablePath === undefined ? 'in Chromium (not installed)' : 'in Chromium',
  () => {
    let server: Server;
    let browser: Browser;
    let origin: string;
    let expected: number[];

    beforeAll(async () => {
      await useWasm();
      expected = compute();
      const files = await buildWithVite();
      server = createServer(({ url = '/' }, response) => {
        // Isolated from other origins, a page may share memory between threads, and tfjs does.
        if (url === '/isolated') response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
        if (url !== '/') response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
        const file = files.get(url);
        const type = url.endsWith('.js') ? 'text/javascript' : 'application/wasm';
        response.setHeader('Content-Type', file === undefined ? 'text/html' : type);
        response.end(file ?? '<!doctype html><title>test</title>');
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      browser = await chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox'] });
    });
    afterAll(async () => {
      await browser?.close();
      server?.close();
    });

    async function answerFrom(path: string, where: 'page' | 'worker'): Promise<Answer> {
      const page = await browser.newPage();
      await page.goto(origin + path);
      if (where === 'page') {
        await page.addScriptTag({ url: '/run.js', type: 'module' });
        await page.waitForFunction('globalThis.answer');
        return page.evaluate('answer');
      }
      return page.evaluate(
        `new Promise((resolve, reject) => {
          const worker = new Worker('/run.js', { type: 'module' });
          worker.onmessage = ({ data }) => resolve(data);
          worker.onerror = ({ message }) => reject(new Error(message));
        })`,
      );
    }

    it.each([
      ['a page', '/', 'page'],
      ['a worker', '/', 'worker'],
      ['a page isolated from other origins, where tfjs would start threads', '/isolated', 'page'],
    ] as const)('computes in %s the very bits that Node computes', async (_, path, where) => {
      expect(await answerFrom(path, where)).toEqual({ backend: 'wasm', numbers: expected });
    });
  },
);
