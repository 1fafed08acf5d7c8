import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

export function sheetFile(run: string, step: number): string {
  return join(run, 'samples', `${step}.png`);
}

export interface Sheet {
  readonly step: number;
  readonly file: string;
}

/** The sheets of samples that a run has made, in the order of their steps. */
export function sampleSheets(run: string): Sheet[] {
  const folder = join(run, 'samples');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .flatMap((name) => {
      const step = /^(\d+)\.png$/.exec(name)?.[1];
      return step === undefined ? [] : [{ step: Number(step), file: join(folder, name) }];
    })
    .sort((a, b) => a.step - b.step);
}
