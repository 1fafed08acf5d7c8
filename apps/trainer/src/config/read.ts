import { readFileSync } from 'node:fs';
import { parseJson } from '@diffusion-ts/checkpoints';
import { Refusal, sentence } from '../errors.js';

export type Json = Record<string, unknown>;

/** The JSON object in a file, which Python or an editor of Windows may have written. */
export function readJson(file: string): Json {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new Refusal(`The config cannot be read: ${sentence(error)}.`, { cause: error });
  }
  try {
    const value: unknown = parseJson(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  } catch (error) {
    throw new Refusal(`${file} is not JSON: ${sentence(error)}.`, { cause: error });
  }
  throw new Refusal(`${file} must hold a JSON object.`);
}
