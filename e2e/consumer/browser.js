import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { chromium } from 'playwright-core';

const executablePath = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/google-chrome'].find(
  (path) => path !== undefined && existsSync(path),
);

/** Chromium, or undefined where it is not installed. */
export async function openBrowser() {
  if (executablePath === undefined) return undefined;
  return chromium.launch({ executablePath, args: ['--no-sandbox'] });
}

/** What is printed of an array, `[8, 2]` in Chromium and `[ 8, 2 ]` in Node, as the README has it: `8,2`. */
export const plain = (text) => text.replace(/[[\]\s]/g, '');

/** Opens a page and waits until it logs the line that is expected. An error in the page ends it. */
export async function expectLine(browser, url, expected) {
  if (browser === undefined) return;
  const page = await browser.newPage();
  const said = [];
  let timer;
  try {
    await new Promise((resolve, reject) => {
      const give = (reason) => reject(new Error([`${url}: ${reason}`, ...said.slice(-10)].join('\n')));
      page.on('console', (message) => {
        said.push(message.text());
        if (message.type() === 'log' && plain(message.text()) === expected) resolve();
      });
      page.on('pageerror', (error) => give(error.stack));
      timer = setTimeout(() => give(`did not print ${expected} in a minute`), 60_000);
      page.goto(url).catch((error) => give(error.message));
    });
  } finally {
    clearTimeout(timer);
    await page.close();
  }
}

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' };

/** Serves a folder while `use` has its address. */
export async function serving(folder, use) {
  const server = createServer(async ({ url }, response) => {
    const path = join(folder, new URL(url.endsWith('/') ? `${url}index.html` : url, 'http://x').pathname);
    const body = await readFile(path).catch(() => undefined);
    response.writeHead(body ? 200 : 404, { 'content-type': TYPES[extname(path)] ?? 'text/plain' }).end(body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await use(`http://127.0.0.1:${server.address().port}/`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}
