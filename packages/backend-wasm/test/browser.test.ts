import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useWasm } from '../src/index.js';
import { compute } from './browser/compute.js';
import type { Answer } from './browser/run.js';

const executablePath = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/google-chrome'].find(
  (path) => path !== undefined && existsSync(path),
);

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
      const { outputFiles } = await build({
        entryPoints: [fileURLToPath(new URL('browser/run.ts', import.meta.url))],
        bundle: true,
        write: false,
        format: 'iife',
        conditions: ['@diffusion-ts/source'],
        logLevel: 'error',
      });
      const script = outputFiles[0]!.text;
      const wasm = dirname(
        createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm/package.json'),
      );
      server = createServer(({ url = '/' }, response) => {
        // Isolated from other origins, a page may share memory between threads, and tfjs does.
        if (url.startsWith('/isolated')) {
          response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
          response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
        }
        if (url.startsWith('/wasm/')) {
          response.setHeader('Content-Type', 'application/wasm');
          response.end(readFileSync(join(wasm, 'dist', url.slice('/wasm/'.length))));
        } else if (url === '/run.js') {
          response.setHeader('Content-Type', 'text/javascript');
          response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
          response.end(script);
        } else {
          response.setHeader('Content-Type', 'text/html');
          response.end('<!doctype html><title>test</title>');
        }
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
        await page.addScriptTag({ url: '/run.js' });
        return page.evaluate('run()');
      }
      return page.evaluate(
        'new Promise((resolve) => { new Worker("/run.js").onmessage = ({ data }) => resolve(data); })',
      );
    }

    it.each(['page', 'worker'] as const)(
      'computes in a %s the very bits that Node computes',
      async (where) => {
        expect(await answerFrom('/', where)).toEqual({ numbers: expected, threads: false });
      },
    );

    it('computes the same bits in a page whose memory threads share', async () => {
      expect(await answerFrom('/isolated', 'page')).toEqual({ numbers: expected, threads: true });
    });
  },
);
