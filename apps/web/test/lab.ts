// The built site in Debian's Chromium, as a visitor has it.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { preview } from 'vite';

const CHROMIUM = '/usr/bin/chromium';
const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The site is built by `npm run web:build`, or by `npm test` before its tests. */
export const hasBrowser: boolean = existsSync(CHROMIUM);

export interface Lab {
  readonly url: string;
  /** A page of the site in a browser profile of its own, ready to compute on one worker; what goes wrong in it is in `errors`. */
  visit(
    hash: string,
    options?: BrowserContextOptions,
    /** What is done before the page is loaded. */
    first?: (page: Page) => Promise<unknown>,
  ): Promise<Visit>;
  close(): Promise<void>;
}

export interface Visit {
  readonly page: Page;
  /** What the console and uncaught exceptions said. */
  readonly errors: string[];
  /** Loads the page anew at another address, in the same profile: its files need not be got and compiled again. */
  load(hash: string): Promise<void>;
  /**
   * How many milliseconds the processor spent on each task of the page's main thread while `act` went on, the longest
   * first. The clock on the wall would also count the time that other programs take from a busy machine.
   */
  tasksDuring(act: () => Promise<void>): Promise<number[]>;
  close(): Promise<void>;
}

export const WITHOUT_GPU = ['--disable-gpu'];
/** WebGPU computed by the processor: Chromium brings SwiftShader along. */
export const SOFTWARE_WEBGPU: readonly string[] = [
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--enable-features=Vulkan',
];

/** With these a page is isolated from other origins, and its workers may share memory. */
export const ISOLATED = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
} as const;

/** The profile of somebody who has never been here. */
export const NEW_VISITOR: BrowserContextOptions = { storageState: { cookies: [], origins: [] } };

/** That of somebody who chose one worker: ranks wait for each other where other tests compute beside them. */
const oneWorker = (url: string): BrowserContextOptions => ({
  storageState: {
    cookies: [],
    origins: [{ origin: new URL(url).origin, localStorage: [{ name: 'workers', value: '1' }] }],
  },
});

export async function openLab(
  graphics: readonly string[] = WITHOUT_GPU,
  headers: Readonly<Record<string, string>> = {},
): Promise<Lab> {
  if (!existsSync(`${ROOT}/dist/index.html`))
    throw new Error('apps/web/dist is missing: npm run web:build first');
  const server = await preview({
    root: ROOT,
    configFile: false,
    // The site does not know where it lies.
    base: '/some/folder/',
    logLevel: 'error',
    preview: { host: '127.0.0.1', port: 0, headers },
  });
  const url = server.resolvedUrls!.local[0]!;
  let browser: Browser;
  try {
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ['--headless', '--no-sandbox', '--disable-dev-shm-usage', ...graphics],
    });
  } catch (error) {
    await server.close();
    throw error;
  }
  return {
    url,
    visit: (hash, options, first) => visit(browser, url, hash, options, first),
    async close() {
      await browser.close();
      await server.close();
    },
  };
}

async function visit(
  browser: Browser,
  url: string,
  hash: string,
  options: BrowserContextOptions = {},
  first?: (page: Page) => Promise<unknown>,
): Promise<Visit> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    reducedMotion: 'reduce',
    ...oneWorker(url),
    ...options,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  const ready = async (): Promise<void> => {
    await page.locator('h1').waitFor();
    await page.getByTestId('backend').filter({ hasText: 'WebAssembly' }).waitFor();
  };
  await first?.(page);
  await page.goto(`${url}#/${hash}`);
  await ready();
  return {
    page,
    errors,
    async load(address) {
      // Elsewhere first: a page that plays would write its own state into the new address.
      await page.goto('about:blank');
      await page.goto(`${url}#/${address}`);
      await ready();
    },
    async tasksDuring(act) {
      await browser.startTracing(page, {
        categories: ['disabled-by-default-devtools.timeline', '__metadata'],
      });
      await act();
      return taskTimes(JSON.parse((await browser.stopTracing()).toString()));
    },
    close: () => context.close(),
  };
}

interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds on the processor. */
  readonly tdur?: number;
  readonly args: { readonly name?: string };
}

function taskTimes({ traceEvents }: { traceEvents: readonly TraceEvent[] }): number[] {
  const mains = traceEvents.filter(
    ({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain',
  );
  return traceEvents
    .filter(
      ({ name, pid, tid, tdur }) =>
        name === 'RunTask' &&
        tdur !== undefined &&
        mains.some((main) => main.pid === pid && main.tid === tid),
    )
    .map(({ tdur }) => tdur! / 1000)
    .toSorted((a, b) => b - a);
}
