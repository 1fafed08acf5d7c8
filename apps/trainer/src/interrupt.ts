/**
 * A signal that Ctrl-C (or a polite kill) aborts, so that work can end in good order. A second one then ends the process
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
    process.removeListener('SIGINT', first);
    process.removeListener('SIGTERM', first);
  };
  const first = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) return;
    code = name === 'SIGINT' ? 130 : 143;
    onFirst();
    controller.abort();
    setTimeout(release, 300).unref();
  };
  process.on('SIGINT', first);
  process.on('SIGTERM', first);
  return { signal: controller.signal, exitCode: () => code, release };
}
