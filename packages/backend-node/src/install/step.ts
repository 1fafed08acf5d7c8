import { spawn } from 'node:child_process';

/** What is missing, in one sentence for whoever ran the command. */
export class Missing extends Error {}

/** Says what is going on. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Runs one stage and says how long it took. */
export async function stage<T>(title: string, work: () => Promise<T>): Promise<T> {
  process.stderr.write(`  ${title} … `);
  const start = performance.now();
  try {
    const result = await work();
    say(`${((performance.now() - start) / 1000).toFixed(1)} s`);
    return result;
  } catch (error) {
    say('no');
    throw error;
  }
}

/**
 * Runs a program to its end and returns what it wrote.
 * @throws Missing if there is no such program.
 * @throws Error with the end of what it wrote if it fails.
 */
export function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      errors += chunk;
    });
    child.on('error', () => reject(new Missing(`${program} was not found on the PATH.`)));
    child.on('close', (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${program} failed (${code}):\n${(errors || output).slice(-2000)}`));
    });
  });
}

/** Whether a program can be run. */
export async function has(program: string, ...args: string[]): Promise<boolean> {
  return run(program, args).then(
    () => true,
    () => false,
  );
}
