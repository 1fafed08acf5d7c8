// Goes before tfjs's specs in their bundle: jasmine's describe, it and expect, and `runSpecs` that runs what they define.

import { writeFileSync } from 'node:fs';
import jasmineRequire from 'jasmine-core/lib/jasmine-core/jasmine.js';

const jasmine = jasmineRequire.core(jasmineRequire);
Object.assign(globalThis, { jasmine }, jasmineRequire.interface(jasmine, jasmine.getEnv()));
// On a busy machine a spec may wait long for its turn.
jasmine.DEFAULT_TIMEOUT_INTERVAL = 60_000;

// Some specs draw numbers and ask for their mean: the same ones every time, so that the same specs pass.
let state = 1;
Math.random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return (state >>> 0) / 2 ** 32;
};

/** Runs all specs in their order, after `start`, and writes what became of them to the file that the command names. */
export async function runSpecs(start) {
  const passed = [];
  const failed = {};
  const counts = new Map();
  const env = jasmine.getEnv();
  env.configure({ random: false });
  env.addReporter({
    specDone({ fullName: title, status, failedExpectations }) {
      const fullName = title.trim();
      if (status !== 'passed' && status !== 'failed') return;
      // Some specs of tfjs share a name.
      const count = (counts.get(fullName) ?? 0) + 1;
      counts.set(fullName, count);
      const name = count === 1 ? fullName : `${fullName} (${count})`;
      if (status === 'passed') passed.push(name);
      else failed[name] = failedExpectations.map(({ message }) => message).join('; ');
    },
  });
  await start();
  await env.execute();
  writeFileSync(process.argv[2], JSON.stringify({ passed, failed }));
  process.exit();
}
