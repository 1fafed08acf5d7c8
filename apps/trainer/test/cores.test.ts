import { describe, expect, it, vi } from 'vitest';
import { physicalCores } from '../src/cores.js';
import { workersToShare, workersToTrain } from '../src/workers.js';

vi.unmock('../src/cores.js');

/** A machine of so many processors, of which `allowed` may be used and each two neighbours are threads of a core. */
const machine =
  (allowed: string, files: Readonly<Record<string, string>> = {}) =>
  (file: string): string | undefined => {
    if (file === '/proc/self/status')
      return `Name:\tnode\nCpus_allowed_list:\t${allowed}\nMems_allowed:\t1\n`;
    const cpu = /cpu(\d+)\/topology/.exec(file)?.[1];
    if (cpu !== undefined)
      return `${2 * Math.floor(Number(cpu) / 2)}-${2 * Math.floor(Number(cpu) / 2) + 1}\n`;
    return files[file];
  };

describe('physicalCores', () => {
  it('counts a core once however many threads it has, and only those that may be used', () => {
    expect(physicalCores(machine('0-7'), 8)).toBe(4);
    expect(physicalCores(machine('0-2,5'), 4)).toBe(3);
    expect(physicalCores(machine('3'), 1)).toBe(1);
  });

  it('is what the system offers where it does not say which threads belong together', () => {
    expect(physicalCores(() => undefined, 6)).toBe(6);
  });

  it('is no more than the least quota of the control groups around, and at least one', () => {
    const own = { '/proc/self/cgroup': '0::/outer/inner\n' };
    const outer = { ...own, '/sys/fs/cgroup/outer/cpu.max': '250000 100000\n' };
    expect(physicalCores(machine('0-15', outer), 16)).toBe(2);
    const inner = { ...outer, '/sys/fs/cgroup/outer/inner/cpu.max': '50000 100000\n' };
    expect(physicalCores(machine('0-15', inner), 16)).toBe(1);
    const none = { ...own, '/sys/fs/cgroup/outer/cpu.max': 'max 100000\n' };
    expect(physicalCores(machine('0-15', none), 16)).toBe(8);
  });

  it('minds the quota of the first version of control groups, where −1 is none', () => {
    const files = (quota: string): Record<string, string> => ({
      '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': `${quota}\n`,
      '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
    });
    expect(physicalCores(machine('0-15', files('300000')), 16)).toBe(3);
    expect(physicalCores(machine('0-15', files('-1')), 16)).toBe(8);
  });
});

describe('auto', () => {
  it('is one worker where the backend has threads of its own, of points, and of batches of one example', () => {
    expect(workersToTrain('auto', 'wasm', 64, false)).toBe(1);
    expect(workersToTrain('auto', 'tensorflow', 64)).toBe(1);
    expect(workersToTrain('auto', 'wasm', 1)).toBe(1);
  });

  it('is at most one for each part of work that can be shared, as what is asked for is', () => {
    expect(workersToShare('auto', 'wasm', 1)).toBe(1);
    expect(workersToShare(5, 'cpu', 3)).toBe(3);
    expect(workersToShare(5, 'cpu', 0)).toBe(1);
  });
});
