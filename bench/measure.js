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

/** Prints the median time of `f` as one case, unless --only asks for others. `f` may be asynchronous. */
export async function measure(name, f) {
  if (values.only !== undefined && !name.includes(values.only)) return;
  // Three runs let the engine compile; short ones are repeated until the clock can see them.
  for (let i = 0; i < 3; i++) await f();
  const start = now();
  await f();
  const repeats = Math.max(1, Math.ceil(5 / Math.max(1e-3, now() - start)));
  const times = [];
  for (let run = 0; run < 9; run++) {
    const before = now();
    for (let i = 0; i < repeats; i++) await f();
    times.push((now() - before) / repeats);
  }
  times.sort((a, b) => a - b);
  console.log(JSON.stringify({ case: name, median_ms: times[4] }));
}
