import '@diffusion-ts/testing/plain-threads';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { Communicator } from '../src/index.js';
import { threads } from '../src/node.js';
import trainTogether from './train-together.js';
import { canHaveTwoHosts, twoHosts } from './two-hosts.js';

const module = new URL('./train-together.js', import.meta.url);

/** What two ranks save after so many steps, from the beginning or from what was saved. */
async function saved(data: { readonly steps: number; readonly saved?: Saved }): Promise<Saved> {
  const [first] = await threads(2, module, data, (communicator: Communicator) =>
    trainTogether(communicator, data),
  );
  return first!.saved;
}
interface Saved {
  readonly progress: { readonly step: number };
}

test.skipIf(!canHaveTwoHosts())(
  'where the one link between two hosts is cut, both ends say so and end, and what the first saves goes on as if nothing had happened',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cut-'));
    const hosts = twoHosts();
    try {
      hosts.slow('1gbit');
      const file = join(folder, 'saved.json');
      const rank = fileURLToPath(new URL('./two-hosts-rank.js', import.meta.url));
      // In four seconds mpirun notices, in eight it would end the ranks, which have given up and saved by then. Were they
      // gone before it notices, it would wait for what it has sent until TCP gives up, a quarter of an hour.
      const settings = {
        oob_tcp_keepalive_time: 1,
        oob_tcp_keepalive_intvl: 1,
        oob_tcp_keepalive_probes: 3,
        odls_base_sigkill_timeout: 4,
      };
      const mca = Object.entries(settings).flatMap(([name, value]) => ['--mca', name, String(value)]);
      const options = JSON.stringify({ file, patience: 6 });
      const run = hosts.mpirun([...mca, process.execPath, rank, options], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const problems = text(run.stderr!);
      const ended = new Promise((resolve) => run.once('exit', resolve));
      const processes: number[] = [];
      for await (const line of createInterface({ input: run.stdout! })) {
        const [what, number] = line.split(' ');
        if (what === 'process') processes.push(Number(number));
        if (line === 'step 10') hosts.cut();
      }
      expect(await ended).not.toBe(0);
      expect(await problems).toContain('ORTE has lost communication with a remote daemon');
      const why = 'the other ranks have not answered for 6 s: one of them hangs, or its machine is cut off';
      expect(await problems).toContain(why);
      expect(processes).toHaveLength(2);
      await expect
        .poll(() => processes.filter((id) => existsSync(`/proc/${id}`)), { timeout: 30_000 })
        .toEqual([]);

      const cut = JSON.parse(readFileSync(file, 'utf8')) as Saved;
      const { step } = cut.progress;
      expect(step).toBeGreaterThanOrEqual(10);
      const steps = step + 10;
      expect(await saved({ steps, saved: cut })).toEqual(await saved({ steps }));
    } finally {
      hosts.close();
      rmSync(folder, { recursive: true });
    }
  },
);
