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
  readSync(0, Buffer.alloc(1));
}

/** Prints the median time of `f` as one case, if it is wanted. `f` may be asynchronous. */
export async function measure(name, f) {
  if (!wanted(name)) return;
  turn(name);
  // Three runs let the engine compile; short ones are repeated until the clock can see them.
  for (let i = 0; i < 3; i++) await f();
  const start = now();
  await f();
  const repeats = Math.max(1, Math.ceil(20 / Math.max(1e-3, now() - start)));
  const times = [];
  for (let run = 0; run < 9; run++) {
    turn(name);
    const before = now();
    for (let i = 0; i < repeats; i++) await f();
    times.push((now() - before) / repeats);
  }
  times.sort((a, b) => a - b);
  emit({ case: name, median_ms: times[4] });
}
