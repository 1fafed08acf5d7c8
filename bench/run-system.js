import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Runs one system of a suite and yields its rows: `{ suite, case, system, threads }` and `median_ms` or `megabytes`. */
export async function* runSystem(suite, { name, command, script, threads }, options) {
  const args = [new URL(`systems/${script}`, import.meta.url).pathname];
  if (options['cpu-time']) args.push('--cpu-time');
  if (options.only !== undefined) args.push('--only', options.only);
  const env = { ...process.env, OMP_NUM_THREADS: String(threads), BENCH_SYSTEM: name };
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let problem = '';
  child.stderr.on('data', (data) => {
    problem += data;
  });
  const closed = new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code) =>
      resolve(
        code === 0 ? undefined : (problem.match(/^\w*Error: .*/m)?.[0] ?? problem.trim().split('\n').at(-1)),
      ),
    );
  });
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith('{')) continue;
    yield { suite, system: name, threads, ...JSON.parse(line) };
  }
  const failure = await closed;
  if (failure !== undefined) console.error(`${name}: skipped (${failure})`);
}
