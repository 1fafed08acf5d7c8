import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseJson } from '@diffusion-ts/checkpoints';
import { z } from 'zod';
import { replaceFile } from './replace-file.js';

const schema = z.object({
  step: z.number(),
  split: z.string(),
  images: z.number(),
  timesteps: z.number(),
  bitsPerDim: z.number(),
  standardError: z.number(),
  prior: z.number(),
  transitions: z.number(),
  reconstruction: z.number(),
  terms: z.array(
    z.object({
      t: z.number(),
      bitsPerDim: z.number(),
      /** Roots of mean squares, of what the network sees of the data and of the noise. */
      x0Error: z.optional(z.number()),
      epsilonError: z.optional(z.number()),
    }),
  ),
  // Runs of the first edition have none of these.
  bounds: z.string().default('p(x)'),
  dimensions: z.optional(z.number()),
  /** Of a whole example, the lower bound of log₂ p and its error, and what the simplest model reaches. */
  boundBits: z.optional(z.number()),
  boundBitsStandardError: z.optional(z.number()),
  nullBits: z.optional(z.number()),
  /** L_T and the transitions (Ho et al. 2020, section 4.3); L_0 is the distortion. */
  rate: z.optional(z.number()),
  nullBitsPerDim: z.optional(z.number()),
  standardErrorOverRepeats: z.optional(z.number()),
  /** Of a run on latents: the bound of the images in bits per dimension, −log₂ p(x | z) + log₂ q(z | x) − log₂ p(z). */
  throughLatents: z.optional(
    z.object({
      bitsPerDim: z.number(),
      distortion: z.number(),
      encoding: z.number(),
      latents: z.number(),
    }),
  ),
  fixedVariances: z.optional(z.array(z.object({ name: z.string(), bitsPerDim: z.number() }))),
});

/** The variational bound of a run on a set of examples; every number but counts is in bits per dimension. */
export type Evaluation = z.infer<typeof schema>;

export function writeEvaluation(run: string, evaluation: Evaluation): void {
  replaceFile(fileOf(run), `${JSON.stringify(evaluation, null, 2)}\n`);
}

export function removeEvaluation(run: string): void {
  rmSync(fileOf(run), { force: true });
}

function fileOf(run: string): string {
  return join(run, 'evaluation.json');
}

/** The last evaluation of a run, if there was one. */
export function readEvaluation(run: string): Evaluation | undefined {
  const file = fileOf(run);
  if (!existsSync(file)) return undefined;
  try {
    return schema.parse(parseJson(readFileSync(file, 'utf8')));
  } catch {
    return undefined;
  }
}
