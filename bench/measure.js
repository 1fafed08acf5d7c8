import { readSync } from 'node:fs';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  strict: false,
  options: { 'cpu-time': { type: 'boolean' }, only: { type: 'string' } },
});

/** Milliseconds: of the clock, or of the processor with --cpu-time. */
export function now() {
  if (!values['cpu-time']) return performance.now();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Whether --only lets a case be measured. */
export function wanted(name) {
  return values.only === undefined || name.includes(values.only);
}

/** Prints what was measured: a case with its `median_ms` or its `megabytes`. */
export function emit(row) {
  console.log(JSON.stringify(row));
}

/** Waits until no other system computes. */
export function turn(name) {
  if (process.env.BENCH_TURNS === undefined) return;
  console.log(JSON.stringify({ turn: name }));
  // Whoever gives the turns has gone.
  if (readSync(0, Buffer.alloc(1)) === 0) process.exit(1);
}

/**
 * Prints the median time of `f` as one case, if it is wanted. `f` may be asynchronous; `others` are processes that compute
 * with this one, and are halted until it is its turn.
 */
export async function measure(name, f, others = { halt() {}, go() {} }) {
  if (!wanted(name)) return;
  const wait = () => {
    others.halt();
    turn(name);
    others.go();
  };
  wait();
  // A second, and three runs, let the engine compile; short runs are repeated for a tenth of one.
  let count = 0;
  const start = now();
  while (count < 3 || now() - start < 1000) {
    await f();
    count++;
  }
  const repeats = Math.ceil((100 * count) / (now() - start));
  const times = [];
  for (let run = 0; run < 9; run++) {
    wait();
    const before = now();
    for (let i = 0; i < repeats; i++) await f();
    times.push((now() - before) / repeats);
  }
  times.sort((a, b) => a - b);
  emit({ case: name, median_ms: times[4] });
}
