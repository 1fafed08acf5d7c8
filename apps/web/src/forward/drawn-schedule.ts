import { type DiscreteSchedule, fromAlphaBars } from '@diffusion-ts/schedules';

/** A schedule drawn by hand: ln SNR at evenly spread times u = 0 … 1, falling; a smooth curve in between. */
export type Handles = readonly number[];

export const HANDLES = 7;
export const MAX_LOG_SNR = 12;
export const MIN_LOG_SNR = -14;
/** Neighbouring handles keep this apart, so that ᾱ falls at every step. */
const GAP = 0.1;

/** The schedule through the handles: ᾱ = σ(ln SNR). */
export function drawnSchedule(handles: Handles, steps: number): DiscreteSchedule {
  return fromAlphaBars((u) => (u === 0 ? 1 : logistic(interpolated(handles, u))), { steps });
}

/** Handles that lie on a schedule. */
export function handlesOf(schedule: DiscreteSchedule): Handles {
  const handles = Array.from({ length: HANDLES }, (_, i) => {
    const t = Math.max(0, Math.round((i / (HANDLES - 1)) * schedule.steps) - 1);
    return Math.min(MAX_LOG_SNR, Math.max(MIN_LOG_SNR, schedule.level(t).logSnr));
  });
  return handles.reduce<Handles>((list, _, i) => moved(list, i, list[i]!), handles);
}

/** Handle `i` moved to `value`, as far as its neighbours let it. */
export function moved(handles: Handles, i: number, value: number): Handles {
  const high = i === 0 ? MAX_LOG_SNR : handles[i - 1]! - GAP;
  const low = i === handles.length - 1 ? MIN_LOG_SNR : handles[i + 1]! + GAP;
  const clipped = low > high ? high : Math.min(high, Math.max(low, value));
  return handles.map((handle, k) => (k === i ? Math.round(clipped * 100) / 100 : handle));
}

/** The handles in an address; undefined where they are not falling numbers, as many as there should be. */
export function parseHandles(text: string): Handles | undefined {
  const handles = text.split(',').map(Number);
  const falls = handles.every((handle, i) => i === 0 || handle < handles[i - 1]!);
  const inside = handles.every((handle) => handle >= MIN_LOG_SNR && handle <= MAX_LOG_SNR);
  return handles.length === HANDLES && falls && inside ? handles : undefined;
}

export function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

export function logit(p: number): number {
  return Math.log(p / (1 - p));
}

/** The cubic of Fritsch and Carlson (1980): it goes through the handles, falls wherever they do, and has no kinks. */
function interpolated(handles: Handles, u: number): number {
  const last = handles.length - 1;
  const fall = (i: number): number => handles[i + 1]! - handles[i]!;
  const slope = (i: number): number => {
    if (i === 0 || i === last) return fall(Math.min(i, last - 1));
    return (2 * fall(i - 1) * fall(i)) / (fall(i - 1) + fall(i));
  };
  const i = Math.min(last - 1, Math.floor(u * last));
  const s = u * last - i;
  const [left, right, chord] = [slope(i), slope(i + 1), fall(i)];
  return handles[i]! + s * (left + s * (3 * chord - 2 * left - right + s * (left + right - 2 * chord)));
}
