import { SingleBar } from 'cli-progress';

export interface Progress {
  update(step: number, note: string): void;
  /** Ends the bar, so that what is printed next starts on a line of its own. */
  stop(): void;
}

const LINE_EVERY_MS = 10_000;
// So many steps after the first, which is slower, tell how long the others will take.
const MEASURED = 5;

/**
 * Progress on stderr: a bar on a terminal; elsewhere (a log, a pipe) a line for the first update and every ten seconds.
 * What takes long in steps that all take as long (`even`) is said beforehand, after a few of them.
 */
export function progress(
  verb: string,
  start: number,
  total: number,
  { stream = process.stderr, even = false }: { stream?: NodeJS.WriteStream; even?: boolean } = {},
): Progress {
  const begin = performance.now();
  let first: { readonly step: number; readonly at: number } | undefined;
  const foretell = (step: number): void => {
    first ??= { step, at: performance.now() };
    if (!even || step !== first.step + MEASURED) return;
    const said = forecast(total - step, MEASURED / ((performance.now() - first.at) / 1000));
    if (said !== undefined) stream.write(`${stream.isTTY ? '\r\u001b[K' : ''}${said}\n`);
  };
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
      update(step, note) {
        foretell(step);
        bar.update(step, { note: note && ` · ${note}`, left: left(step) });
      },
      stop: () => bar.stop(),
    };
  }
  let last = Number.NEGATIVE_INFINITY;
  return {
    update(step, note) {
      foretell(step);
      if (step < total && performance.now() - last < LINE_EVERY_MS) return;
      last = performance.now();
      stream.write(
        `${verb} ${step}/${total}${note && ` · ${note}`}${step < total ? ` · ${left(step)} left` : ''}\n`,
      );
    },
    stop: () => {},
  };
}

/** How long so many steps will take at so many a second, as a sentence; undefined where it is not worth one. */
export function forecast(steps: number, perSecond: number): string | undefined {
  const minutes = steps / perSecond / 60;
  if (!(minutes >= 1.5)) return undefined;
  const time =
    minutes < 100
      ? `${Math.round(minutes)} minutes`
      : minutes < 48 * 60
        ? `${Math.round(minutes / 60)} hours`
        : `${Math.round(minutes / 60 / 24)} days`;
  const pace =
    perSecond >= 1 ? `${perSecond.toPrecision(2)} steps/s` : `${(1 / perSecond).toPrecision(2)} s a step`;
  return `This will take about ${time}: ${steps.toLocaleString('en')} steps at ${pace}.`;
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
