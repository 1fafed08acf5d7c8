// Two hosts on one machine: network namespaces with addresses of their own, and the one link between them. It takes root,
// iproute2 and Open MPI.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ADDRESSES = ['10.77.0.1', '10.77.0.2'];
const LINK = 'between';

const ip = (/** @type {string[]} */ ...words) => execFileSync('ip', words, { stdio: 'pipe' });

/** Whether this machine can have them. */
export function canHaveTwoHosts() {
  const name = `diffusion-probe-${process.pid}`;
  const can = (/** @type {string} */ program, /** @type {string[]} */ ...words) =>
    spawnSync(program, words).status === 0;
  if (!can('mpirun.openmpi', '--version') || !can('tc', '-V') || !can('ip', 'netns', 'add', name))
    return false;
  const hasLink = can('ip', '-n', name, 'link', 'add', LINK, 'type', 'veth', 'peer', 'name', 'other');
  ip('netns', 'del', name);
  return hasLink;
}

/** The two, until they are closed. */
export function twoHosts() {
  const names = ADDRESSES.map((address) => `diffusion-${process.pid}-${address}`);
  const [first, second] = names;
  const folder = mkdtempSync(join(tmpdir(), 'two-hosts-'));
  const agent = join(folder, 'agent');
  // What mpirun calls in the place of ssh: with the host, and a command for the shell there.
  writeFileSync(
    agent,
    `#!/bin/sh\nhost=$1; shift\nexec ip netns exec diffusion-${process.pid}-$host unshare --uts sh -c "hostname host-\${host##*.}; $*"\n`,
  );
  chmodSync(agent, 0o755);
  for (const name of names) ip('netns', 'add', name);
  ip('link', 'add', LINK, 'netns', first, 'type', 'veth', 'peer', 'name', LINK, 'netns', second);
  names.forEach((name, i) => {
    ip('-n', name, 'addr', 'add', `${ADDRESSES[i]}/24`, 'dev', LINK);
    for (const device of ['lo', LINK]) ip('-n', name, 'link', 'set', device, 'up');
  });
  return {
    /**
     * Starts a command on each, a rank each, by the mpirun of the first.
     * @param {readonly string[]} command options of mpirun before it
     * @param {import('node:child_process').SpawnOptions} [options]
     * @returns {import('node:child_process').ChildProcess}
     */
    mpirun(command, options) {
      const hosts = ADDRESSES.map((address) => `${address}:1`).join();
      const across = ['--mca', 'plm_rsh_agent', agent, '--host', hosts, '-np', '2'];
      const mpirun = ['mpirun.openmpi', '--allow-run-as-root', ...across];
      const named = ['unshare', '--uts', 'sh', '-c', 'hostname host-1; exec "$@"', 'sh'];
      return spawn('ip', ['netns', 'exec', first, ...named, ...mpirun, ...command], options);
    },
    /** Slows the link down, in both directions. @param {string} rate such as `1gbit` */
    slow(rate) {
      for (const name of names) {
        const bucket = ['rate', rate, 'burst', '128kb', 'latency', '50ms'];
        execFileSync('tc', ['-n', name, 'qdisc', 'replace', 'dev', LINK, 'root', 'tbf', ...bucket]);
      }
    },
    /** Cuts the link: from now on nothing gets from one to the other, and neither is told. */
    cut() {
      ip('-n', first, 'link', 'set', LINK, 'down');
    },
    close() {
      for (const name of names) ip('netns', 'del', name);
      rmSync(folder, { recursive: true });
    },
  };
}
