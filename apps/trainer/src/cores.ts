import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

/** What a file of the system says, undefined where there is none. */
export type Read = (file: string) => string | undefined;

/**
 * How many threads compute at their full speed beside each other: the cores that this process may use, each once however many
 * threads it has, and no more than the share of the processors that its container is given.
 */
export function physicalCores(read: Read = contents, threads: number = availableParallelism()): number {
  return Math.max(1, Math.floor(Math.min(threads, coresOf(read) ?? threads, ...quotas(read))));
}

function contents(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** The cores to which the processors that Linux lets this process run on belong; undefined where that is not told. */
function coresOf(read: Read): number | undefined {
  const allowed = /^Cpus_allowed_list:\s*(.*)$/m.exec(read('/proc/self/status') ?? '')?.[1];
  if (allowed === undefined) return undefined;
  const cores = numbersOf(allowed).map((cpu) =>
    read(`/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`),
  );
  return cores.includes(undefined) ? undefined : new Set(cores).size;
}

/** 0-2,4 → 0, 1, 2, 4. */
function numbersOf(list: string): number[] {
  return list.split(',').flatMap((part) => {
    const [first = 0, last = first] = part.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/** The processors' worth of time that the control group of this process, and each one around it, may take. */
function quotas(read: Read): number[] {
  const own = /^0::(\/.*)$/m.exec(read('/proc/self/cgroup') ?? '')?.[1] ?? '/';
  const around = own.split('/').map((_, i, parts) => join('/sys/fs/cgroup', ...parts.slice(0, i + 1)));
  const ofFirst = (name: string): string | undefined => read(`/sys/fs/cgroup/cpu/cpu.cfs_${name}_us`);
  return [
    ...around.map((folder) => read(join(folder, 'cpu.max'))?.split(' ')),
    // The first version of control groups, where each kind had a tree of its own.
    [ofFirst('quota'), ofFirst('period')],
  ].flatMap(([quota, period] = []) => {
    // No quota is "max", or −1.
    const share = Number(quota) / Number(period);
    return share > 0 ? [share] : [];
  });
}
