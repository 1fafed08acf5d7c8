// npm run bench -- <suite> [--json] [--cpu-time] [--only <text>]
//
// Every system is a process of its own and prints a line of JSON for each case; one that is not installed is named and
// left out. They take turns at every run of a case, so that a machine which changes its speed does so for all of them.
// --cpu-time measures what a process computed instead of how long it took.

import { readdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { runSystems } from './run-systems.js';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean' }, 'cpu-time': { type: 'boolean' }, only: { type: 'string' } },
});
const suites = readdirSync(new URL('suites', import.meta.url)).map((name) => name.replace('.js', ''));
const [suite] = positionals;
if (!suites.includes(suite)) {
  console.error(`usage: npm run bench -- <${suites.join(' | ')}> [--json] [--cpu-time] [--only <text>]`);
  process.exit(2);
}
const { systems, bars } = await import(`./suites/${suite}.js`);

/** What a row measures, in milliseconds or megabytes. */
const amount = (row) => row?.median_ms ?? row?.megabytes;
const rows = [];
for await (const row of runSystems(suite, systems, values)) {
  rows.push(row);
  if (values.json) console.log(JSON.stringify(row));
  else console.error(`${row.system}: ${row.case} ${amount(row).toFixed(3)} ${row.median_ms ? 'ms' : 'MB'}`);
}
if (!values.json) {
  const time = (name, system) => amount(rows.find((row) => row.case === name && row.system === system));
  const lines = [...new Set(rows.map((row) => row.case))].map((name) => {
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
