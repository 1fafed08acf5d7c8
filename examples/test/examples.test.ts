import { readdirSync, readFileSync } from 'node:fs';
import { expectExampleRuns } from '@diffusion-ts/testing';
import { expect, test } from 'vitest';

const folder = new URL('../extending/', import.meta.url);
const examples = readdirSync(folder);

test.each(examples)('extending/%s prints what it says', (file) => expectExampleRuns(new URL(file, folder)));

test('docs/extending.md names every one of them', () => {
  const guide = readFileSync(new URL('../../docs/extending.md', import.meta.url), 'utf8');
  for (const file of examples) expect(guide).toContain(`examples/extending/${file}`);
});

const theory = new URL('../theory/', import.meta.url);

test.each(readdirSync(theory))('theory/%s prints what it says', (file) =>
  expectExampleRuns(new URL(file, theory)),
);
