import { ConfigError } from '@diffusion-ts/recipes';

/** A mistake of the user or the machine that one sentence explains: printed without a stack trace. */
export class Refusal extends Error {
  readonly exitCode: number;
  constructor(message: string, { cause, exitCode = 1 }: { cause?: unknown; exitCode?: 1 | 2 } = {}) {
    super(message, { cause });
    this.name = 'Refusal';
    this.exitCode = exitCode;
  }
}

const SYSTEM: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EROFS: 'the file system is read-only',
  ENOENT: 'no such file or folder',
  ENOTDIR: 'a part of the path is not a folder',
  EISDIR: 'it is a folder, not a file',
  EMFILE: 'too many open files',
  EIO: 'the disk reports an input/output error',
};

// What the backends and the engine say where memory is at its end.
const OUT_OF_MEMORY =
  /no room for \d+ bytes|allocation failed|failed to allocate|out of memory|\boom\b|resource ?exhausted|invalid (typed )?array( buffer)? length/i;
// What WebAssembly says where it found out too late: its memory may be overwritten.
const DEAD = /memory access out of bounds|^aborted\(/i;

/** Whether there was not enough memory, and less may be tried. */
export function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && OUT_OF_MEMORY.test(error.message);
}

/** Whether the backend died of it, so that nothing more can be computed in this process. */
export function isDead(error: unknown): boolean {
  return error instanceof Error && DEAD.test(error.message);
}

/** One sentence for whatever was thrown. */
export function sentence(error: unknown): string {
  if (error instanceof Error) {
    const { code, path } = error as NodeJS.ErrnoException;
    const system = code === undefined ? undefined : SYSTEM[code];
    if (system !== undefined) return `${path === undefined ? '' : `${path}: `}${system}`;
    if (isOutOfMemory(error)) return 'There is not enough memory';
    if (isDead(error)) return 'The wasm backend ran out of memory and is dead: nothing more can be computed';
    return error.message;
  }
  return String(error);
}

/**
 * Text of a file that nobody vouches for, safe to print: controls (C0, C1) and what turns the direction of writing around
 * can move a cursor, retitle a terminal or hide what follows.
 */
export function printable(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
    /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Says on stderr what was thrown, in one sentence (with DEBUG set: all of it), and returns the exit code. */
export function fail(error: unknown): number {
  console.error(
    process.env.DEBUG
      ? error
      : `error: ${sentence(error).split('\n').map(printable).join('\n').replace(/\.?$/, '.')}`,
  );
  if (error instanceof Refusal) return error.exitCode;
  return error instanceof ConfigError ? 2 : 1;
}
