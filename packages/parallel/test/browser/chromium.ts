import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import type { Run } from './lead.js';

const CHROMIUM = '/usr/bin/chromium';

export const hasChromium: boolean = existsSync(CHROMIUM);

export interface Chromium {
  /** What `run` of lead.ts gives, in a page or a worker of it, which may be isolated from other origins. */
  run(where: 'page' | 'worker', isolated: boolean, run: Omit<Run, 'script'> & Partial<Run>): Promise<unknown>;
  close(): Promise<void>;
}

export async function openChromium(): Promise<Chromium> {
  const { outputFiles } = await build({
    entryPoints: ['lead', 'rank'].map((name) => fileURLToPath(new URL(`${name}.ts`, import.meta.url))),
    bundle: true,
    format: 'esm',
    conditions: ['@diffusion-ts/source'],
    outdir: '/',
    write: false,
    logLevel: 'error',
  });
  const scripts = new Map(outputFiles.map(({ path, text }) => [path, text]));
  const server = createServer(({ url = '/' }, response) => {
    // Workers of an isolated page must say that they are so too; they may where it is not.
    if (url === '/isolated') response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
    if (url !== '/') response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
    const script = scripts.get(url);
    if (script === undefined && url.endsWith('.js')) response.statusCode = 404;
    response.setHeader('Content-Type', url.endsWith('.js') ? 'text/javascript' : 'text/html');
    response.end(script ?? '<!doctype html><title>test</title>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
  return {
    async run(where, isolated, { size, options, script = '/rank.js' }) {
      const page = await browser.newPage();
      try {
        await page.goto(`${origin}/${isolated ? 'isolated' : ''}`);
        if ((await page.evaluate('crossOriginIsolated')) !== isolated)
          throw new Error('isolated as it should not be');
        const run = { size, script, options } satisfies Run;
        if (where === 'page') {
          await page.addScriptTag({ url: '/lead.js', type: 'module' });
          await page.waitForFunction('globalThis.run');
          return await page.evaluate(`globalThis.run(${JSON.stringify(run)})`);
        }
        return await page.evaluate(
          `new Promise((resolve, reject) => {
            const worker = new Worker('/lead.js', { type: 'module' });
            worker.onmessage = ({ data }) => resolve(data);
            worker.onerror = ({ message }) => reject(new Error(message));
            worker.postMessage(${JSON.stringify(run)});
          })`,
        );
      } finally {
        await page.close();
      }
    },
    async close() {
      await browser.close();
      server.close();
    },
  };
}
