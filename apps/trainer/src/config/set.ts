import { Refusal } from '../errors.js';
import type { Json } from './read.js';

/**
 * Applies `--set key=value`: a dotted path into the config, and a value that is read as JSON if it is JSON and as text
 * otherwise.
 */
export function setPath(config: Json, assignment: string): Json {
  const equals = assignment.indexOf('=');
  const path = assignment.slice(0, equals).split('.');
  if (equals < 1 || path.some((key) => key === '')) {
    throw new Refusal(`--set ${assignment} is not of the form key=value, as in --set training.steps=2000.`, {
      exitCode: 2,
    });
  }
  return put(config, path, parseValue(assignment.slice(equals + 1)));
}

/** A copy of the config with the value at that path. Where a `kind` changes, the settings of the former kind go. */
export function put(config: Json, path: readonly string[], value: unknown, prefix = ''): Json {
  const [key, ...rest] = path as [string, ...string[]];
  if (rest.length === 0)
    return key === 'kind' && config.kind !== value ? { kind: value } : { ...config, [key]: value };
  const child = Object.hasOwn(config, key) ? config[key] : {};
  if (typeof child !== 'object' || child === null || Array.isArray(child)) {
    throw new Refusal(`${prefix}${key} is ${JSON.stringify(child)} and has no settings inside.`, {
      exitCode: 2,
    });
  }
  return { ...config, [key]: put(child as Json, rest, value, `${prefix}${key}.`) };
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
