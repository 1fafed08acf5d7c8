import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Dataset } from '@diffusion-ts/datasets';
import { z } from 'zod';
import { readJson } from '../config/read.js';
import { printable } from '../errors.js';
import { replaceFile } from './replace-file.js';

const schema = z.object({
  size: z.number(),
  shape: z.array(z.number()),
  classes: z.array(z.string()).nullable(),
  hash: z.string().nullable(),
});

/** What the data of a run are, wherever they lie: its data.json. Label k means `classes[k]`. */
export type Fingerprint = z.infer<typeof schema>;

export async function fingerprintOf(dataset: Dataset): Promise<Fingerprint> {
  const { size, shape, classes } = dataset;
  return {
    size,
    shape: [...shape],
    classes: classes === undefined ? null : [...classes],
    hash: (await dataset.fingerprint?.()) ?? null,
  };
}

/** What the data of a run are; undefined for one that has not begun to train, or began before this was written down. */
export function readFingerprint(run: string): Fingerprint | undefined {
  const file = fileOf(run);
  if (!existsSync(file)) return undefined;
  return schema.safeParse(readJson(file)).data;
}

export function writeFingerprint(run: string, data: Fingerprint): void {
  replaceFile(fileOf(run), `${JSON.stringify(data, null, 2)}\n`);
}

function fileOf(run: string): string {
  return join(run, 'data.json');
}

/** How the data are not those that they were, as a clause; undefined where they are the same. */
export function difference(before: Fingerprint, now: Fingerprint): string | undefined {
  const [had, has] = [before, now].map(({ shape }) => shape.join('×'));
  if (had !== has) return `its examples were ${had} and are ${has} now`;
  const ofClasses = classDifference(before.classes ?? [], now.classes ?? []);
  if (ofClasses !== undefined) return ofClasses;
  if (before.size !== now.size) return `it had ${before.size} examples and has ${now.size} now`;
  if (before.hash !== null && now.hash !== null && before.hash !== now.hash)
    return 'it has as many examples as it had, but of other names, sizes or contents';
  return undefined;
}

/** The first class that is not what it was. */
export function classDifference(before: readonly string[], now: readonly string[]): string | undefined {
  const longer = before.length > now.length ? before : now;
  const k = longer.findIndex((_, i) => before[i] !== now[i]);
  if (k < 0) return undefined;
  const [was, is] = [before[k], now[k]];
  if (was === undefined) return `there was no class ${k}, and now there is '${printable(is!)}'`;
  return `class ${k} was '${printable(was)}' and is ${is === undefined ? 'gone' : `'${printable(is)}' now`}`;
}
