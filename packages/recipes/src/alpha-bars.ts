import type { RunConfig } from './config/schema.js';
import { ConfigError } from './config-error.js';
import { noiseScheduleOf } from './process.js';

const POINTS = 9;

/**
 * ᾱ of a process at some of its times, from the first to the last: α²/(α² + σ²). A run keeps them beside its settings, so
 * that a formula which is not what it was when the network learned does not change its pictures in silence. Numbers and no
 * hash, since the last digit of a cosine is not the same on every machine.
 * @throws ConfigError if a schedule of continuous time is to end without signal.
 */
export function alphaBarsOf(process: Pick<RunConfig['process'], 'schedule' | 'zeroTerminalSnr'>): number[] {
  const schedule = noiseScheduleOf(process);
  const { least, end, steps } = schedule;
  return Array.from({ length: POINTS }, (_, i) => {
    const t = least + (i / (POINTS - 1)) * (end - least);
    const { alpha, sigma } = schedule.level(steps === undefined ? t : Math.round(t));
    return alpha ** 2 / (alpha ** 2 + sigma ** 2);
  });
}

/**
 * That the process of a run is still the one it was trained with, where its config.json says so (`alphaBars`).
 * @throws ConfigError if it is not.
 */
export function checkAlphaBars(json: unknown, { process }: Pick<RunConfig, 'process'>, source: string): void {
  const kept = (json as { alphaBars?: unknown } | null)?.alphaBars;
  if (kept === undefined) return;
  const now = alphaBarsOf(process);
  const then = Array.isArray(kept) && kept.length === POINTS ? kept.map(Number) : [];
  const i = now.findIndex((value, k) => !(Math.abs(value - then[k]!) <= 1e-6 * value + 1e-12));
  if (i < 0) return;
  throw new ConfigError(
    `${source}: alphaBars.${i} is ${then[i]}, but the ${process.schedule.kind} schedule has ${now[i]} there: the network learned another process, so take the version of diffusion-ts that it was trained with, or the settings that it had.`,
  );
}
