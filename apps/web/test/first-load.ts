// What a first visit loads, read from the built files: what the page names, and what that names, without a browser.

import { existsSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const DIST = fileURLToPath(new URL('../dist/', import.meta.url));

/** The files of the site that a visitor of `page` loads before data and checkpoint. */
export function firstLoad(page: string): string[] {
  if (!existsSync(`${DIST}index.html`)) throw new Error('apps/web/dist is missing: npm run web:build first');
  const files = new Set<string>();
  const add = (file: string): void => {
    if (files.has(file) || !existsSync(DIST + file)) return;
    files.add(file);
    if (/\.(html|js|css)$/.test(file)) {
      const text = readFileSync(DIST + file, 'utf8');
      for (const name of namesIn(file, text, page)) add(posix.join(posix.dirname(file), name));
    }
  };
  add('index.html');
  return [...files];
}

/** Bytes on the wire: gzipped, as every host does, but for fonts, which are packed already. */
export function transferSize(file: string): number {
  const bytes = readFileSync(DIST + file);
  return file.endsWith('.woff2') ? bytes.length : gzipSync(bytes, { level: 9 }).length;
}

function namesIn(file: string, text: string, page: string): string[] {
  const all = (pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([, name]) => name!);
  if (file.endsWith('.html')) return all(/(?:src|href)="([^"]+)"/g);
  if (file.endsWith('.css')) return all(/url\(["']?([^"')]+)/g);
  return [
    ...all(/(?:from|import) *["'`]([^"'`]+)["'`]/g),
    ...all(/new URL\(["'`]([^"'`]+\.js)["'`]/g),
    ...all(/["'`]([^"'`]+\.wasm)["'`]/g).map((name) => posix.basename(name)),
    // Of the two builds of our kernels that for relaxed SIMD, which most browsers load.
    ...all(/import\(["'`](\.\/fused-binary-[^"'`]+)["'`]\)/g),
    ...pageFiles(text, page),
  ];
}

/** Of what is loaded when it is asked for, the files of the page that is asked for first. */
function pageFiles(text: string, page: string): string[] {
  const call = new RegExp(`import\\(["'\`]\\./${page}-[^)]*\\), *__vite__mapDeps\\(\\[([\\d,]*)\\]`).exec(
    text,
  );
  const list = /m\.f=(\[[^\]]*\])/.exec(text);
  if (call === null || list === null) return [];
  const files = JSON.parse(list[1]!) as string[];
  return call[1]!.split(',').map((index) => files[Number(index)]!);
}
