import { readFileSync } from 'node:fs';
import { Refusal, sentence } from '../errors.js';
import { explain } from './explain.js';
import { type RunConfig, runConfig } from './schema.js';

export type Json = Record<string, unknown>;

/** The JSON object in a file. */
export function readJson(file: string): Json {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new Refusal(`The config cannot be read: ${sentence(error)}.`, { cause: error });
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  } catch (error) {
    throw new Refusal(`${file} is not JSON: ${sentence(error)}.`, { cause: error });
  }
  throw new Refusal(`${file} must hold a JSON object.`);
}

/** The config with every default filled in, or a refusal that names the key, the value and what is allowed. */
export function checkConfig(config: Json, source: string): RunConfig {
  const result = runConfig.safeParse(config);
  if (result.success) return result.data;
  throw new Refusal(`${source}: ${explain(result.error, config)}`, { exitCode: 2 });
}
