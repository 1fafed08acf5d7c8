import { Refusal } from '../errors.js';

type Json = Record<string, unknown>;

/**
 * Applies `--set key=value`: a dotted path into the config, and a value that is read as JSON if it is JSON and as text
 * otherwise. Where a `kind` changes, the settings of the former kind go.
 */
export function setPath(config: Json, assignment: string): Json {
  const equals = assignment.indexOf('=');
  const path = assignment.slice(0, equals).split('.');
  if (equals < 1 || path.some((key) => key === '')) {
    throw new Refusal(`--set ${assignment} is not of the form key=value, as in --set training.steps=2000.`, { exitCode: 2 });
  }
  return put(config, path, valueOf(assignment.slice(equals + 1)), assignment);
}

function put(parent: Json, [key, ...rest]: readonly string[], value: unknown, assignment: string): Json {
  if (rest.length === 0) return key === 'kind' && parent.kind !== value ? { kind: value } : { ...parent, [key!]: value };
  const child = parent[key!] ?? {};
  if (typeof child !== 'object' || Array.isArray(child)) {
    throw new Refusal(`--set ${assignment}: ${key} is ${JSON.stringify(child)}, which has no settings inside.`, { exitCode: 2 });
  }
  return { ...parent, [key!]: put(child as Json, rest, value, assignment) };
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
