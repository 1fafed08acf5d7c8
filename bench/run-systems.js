import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/**
 * Runs the systems of a suite and yields their rows: `{ suite, case, system, threads }` and `median_ms` or `megabytes`.
 *
 * A system asks for a turn before every run of a case, `{ turn: case }`, and waits for a line on its standard input; only
 * one of them computes at a time. The first system that is left says which case it is; all that wait at it have their turn.
 */
export async function* runSystems(suite, systems, options) {
  const left = [];
  for (const system of systems) {
    const running = start(suite, system, options);
    yield* running.goOn();
    left.push(running);
  }
  for (;;) {
    const waiting = left.filter(({ turn }) => turn !== undefined);
    if (waiting.length === 0) return;
    const { turn } = waiting[0];
    for (const running of waiting) if (running.turn === turn) yield* running.goOn();
  }
}

function start(suite, { name, command, script, threads }, options) {
  const [program, ...args] = [...command, new URL(`systems/${script}`, import.meta.url).pathname];
  if (options['cpu-time']) args.push('--cpu-time');
  if (options.only !== undefined) args.push('--only', options.only);
  const env = { ...process.env, OMP_NUM_THREADS: String(threads), BENCH_SYSTEM: name, BENCH_TURNS: '1' };
  const child = spawn(program, args, { env, stdio: 'pipe' });
  let problem = '';
  child.stderr.on('data', (data) => {
    problem += data;
  });
  child.stdin.on('error', () => {});
  const closed = new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code) =>
      resolve(
        code === 0 ? undefined : (problem.match(/^\w*Error: .*/m)?.[0] ?? problem.trim().split('\n').at(-1)),
      ),
    );
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();

  return {
    /** The case that the system waits at; undefined while it computes, and when it has ended. */
    turn: undefined,
    /** Lets it compute until it waits again or ends, and yields its rows. */
    async *goOn() {
      if (this.turn !== undefined) child.stdin.write('\n');
      this.turn = undefined;
      for (;;) {
        const { value: line, done } = await lines.next();
        if (done) break;
        if (!line.startsWith('{')) continue;
        const { turn, ...row } = JSON.parse(line);
        if (turn !== undefined) {
          this.turn = turn;
          return;
        }
        yield { suite, system: name, threads, ...row };
      }
      const failure = await closed;
      if (failure !== undefined) console.error(`${name}: skipped (${failure})`);
    },
  };
}
