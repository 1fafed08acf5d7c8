import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * A signal that Ctrl-C (or a polite kill, or a terminal that is closed) aborts, so that work can end in good order. A second one then ends the process
 * at once, even amid a long kernel: the system's own handling is back. npm passes on the Ctrl-C that the terminal has
 * already delivered, so for a moment a repetition does not count.
 */
export function interruptible(onFirst: () => void): {
  signal: AbortSignal;
  exitCode(): number;
  release(): void;
} {
  const controller = new AbortController();
  let code = 0;
  const release = (): void => {
    for (const name of SIGNALS) process.removeListener(name, first);
  };
  const first = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) return;
    code = 128 + constants.signals[name];
    onFirst();
    controller.abort();
    setTimeout(release, 300).unref();
  };
  for (const name of SIGNALS) process.on(name, first);
  return { signal: controller.signal, exitCode: () => code, release };
}
