import { SingleBar } from 'cli-progress';

export interface Progress {
  update(step: number, note: string): void;
  /** Ends the bar, so that what is printed next starts on a line of its own. */
  stop(): void;
}

const LINE_EVERY_MS = 10_000;

/** Progress on stderr: a bar on a terminal; elsewhere (a log, a pipe) a line for the first update and every ten seconds. */
export function progress(
  verb: string,
  start: number,
  total: number,
  stream: NodeJS.WriteStream = process.stderr,
): Progress {
  const begin = performance.now();
  const left = (step: number): string =>
    step > start ? duration(((performance.now() - begin) / 1000 / (step - start)) * (total - step)) : '–';
  if (stream.isTTY) {
    const bar = new SingleBar({
      stream,
      format: `${verb} {bar} {value}/{total}{note} · {left} left`,
      barCompleteChar: '━',
      barIncompleteChar: '─',
      barsize: 24,
      gracefulExit: false,
      emptyOnZero: true,
    });
    bar.start(total, start, { note: '', left: '–' });
    return {
      update: (step, note) => bar.update(step, { note: note && ` · ${note}`, left: left(step) }),
      stop: () => bar.stop(),
    };
  }
  let last = Number.NEGATIVE_INFINITY;
  return {
    update(step, note) {
      if (step < total && performance.now() - last < LINE_EVERY_MS) return;
      last = performance.now();
      stream.write(
        `${verb} ${step}/${total}${note && ` · ${note}`}${step < total ? ` · ${left(step)} left` : ''}\n`,
      );
    },
    stop: () => {},
  };
}

/** 4000 → '1 h 06 min', 75 → '1 min 15 s', 8 → '8 s'. */
export function duration(seconds: number): string {
  const s = Math.round(seconds);
  const pad = (n: number): string => String(n).padStart(2, '0');
  if (s >= 3600) return `${Math.floor(s / 3600)} h ${pad(Math.floor((s % 3600) / 60))} min`;
  return s >= 60 ? `${Math.floor(s / 60)} min ${pad(s % 60)} s` : `${s} s`;
}

/** A number with four significant digits, as losses are shown; whole beyond a thousand. */
export function significant(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e9)) return value.toExponential(3);
  return size >= 1000 ? Math.round(value).toLocaleString('en') : value.toPrecision(4);
}
