// npm run bench -- <suite> [--json] [--cpu-time] [--only <text>] [--rounds <count>]
//
// Every system runs in a process of its own and prints a line of JSON for each case; one that is not installed is named
// and left out. --cpu-time measures what the process computed instead of how long it took: on a machine that does other
// things, that is what can be compared. With --rounds the systems take turns so many times, and the least of what each
// took for a case counts: the others were disturbed.

import { readdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { runSystem } from './run-system.js';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean' },
    'cpu-time': { type: 'boolean' },
    only: { type: 'string' },
    rounds: { type: 'string', default: '1' },
  },
});
const suites = readdirSync(new URL('suites', import.meta.url)).map((name) => name.replace('.js', ''));
const [suite] = positionals;
const rounds = Number(values.rounds);
if (!suites.includes(suite) || !Number.isInteger(rounds) || rounds < 1) {
  console.error(
    `usage: npm run bench -- <${suites.join(' | ')}> [--json] [--cpu-time] [--only <text>] [--rounds <count>]`,
  );
  process.exit(2);
}
const { systems, bars } = await import(`./suites/${suite}.js`);

/** What a row measures, in milliseconds or megabytes. */
const amount = (row) => row?.median_ms ?? row?.megabytes;
/** The least row of every case and system. */
const rows = new Map();
for (let round = 1; round <= rounds; round++) {
  for (const system of systems) {
    for await (const row of runSystem(suite, system, values)) {
      const key = `${row.system} ${row.case}`;
      if (!rows.has(key) || amount(row) < amount(rows.get(key))) rows.set(key, row);
      const of = rounds > 1 ? `${round}/${rounds} ` : '';
      console.error(`${of}${key} ${amount(row).toFixed(3)} ${row.median_ms ? 'ms' : 'MB'}`);
    }
  }
}
if (values.json) {
  for (const row of rows.values()) console.log(JSON.stringify(row));
} else {
  const all = [...rows.values()];
  const time = (name, system) => amount(rows.get(`${system} ${name}`));
  const lines = [...new Set(all.map((row) => row.case))].map((name) => {
    const times = systems.map(({ name: system }) => [system, time(name, system)?.toPrecision(3)]);
    return { case: name, ...Object.fromEntries(times.filter(([, ms]) => ms !== undefined)) };
  });
  console.table(lines);
  console.table(
    bars.flatMap(({ case: name, system, than, against, atLeast }) => {
      const [ours, theirs] = [time(name, system), time(than ?? name, against)];
      if (ours === undefined || theirs === undefined) return [];
      const ratio = theirs / ours;
      return [
        {
          case: name,
          against: `${against}${than ? `, ${than}` : ''}`,
          ratio: ratio.toFixed(2),
          bar: atLeast,
          met: ratio >= atLeast,
        },
      ];
    }),
  );
}
