import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect, vi } from 'vitest';
import { useBackend } from './backends.js';

/**
 * Executes the ```ts blocks of a README as one module, as `expectExampleRuns` does. The file is written beside the README
 * so that its imports resolve as a user's would. A README outside any package resolves them from `beside`.
 */
export async function expectReadmeRuns(readme: URL, beside: URL = readme): Promise<void> {
  const markdown = readFileSync(readme, 'utf8');
  const blocks = [...markdown.matchAll(/^```ts\n(.*?)^```/gms)].map((match) => match[1]!);
  expect(blocks.length, 'ts blocks in the README').toBeGreaterThan(0);

  const folder = join(dirname(fileURLToPath(beside)), '.readme');
  const file = join(folder, `example-${process.pid}.ts`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, blocks.join('\n'));
  try {
    await expectExampleRuns(pathToFileURL(file));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Executes a module, and checks that every `console.log(…); // text` in it prints that text. It starts on the cpu backend,
 * as it would for a user who imports no other.
 */
export async function expectExampleRuns(file: URL): Promise<void> {
  const code = readFileSync(file, 'utf8');
  const expected = [...code.matchAll(/^\s*console\.log\(.*\);(?:[ \t]*\/\/[ \t]*(.*))?$/gm)].map((m) => m[1]);
  await useBackend('cpu');
  const printed: string[] = [];
  const log = vi
    .spyOn(console, 'log')
    .mockImplementation((...args) => void printed.push(args.map(String).join(' ')));
  try {
    await import(/* @vite-ignore */ file.href);
  } finally {
    log.mockRestore();
  }
  expect(printed.length, 'lines printed by the example').toBe(expected.length);
  expected.forEach((text, i) => {
    if (text !== undefined) expect(printed[i]).toBe(text);
  });
}
