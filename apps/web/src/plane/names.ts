import type { PlaneConfig, PlaneLoss, PlanePrediction } from './config.js';

export const PREDICTION_SYMBOLS: Readonly<Record<PlanePrediction, string>> = {
  epsilon: 'ε',
  x0: 'x₀',
  v: 'v',
};
export const LOSS_NAMES: Readonly<Record<PlaneLoss, string>> = {
  simple: 'L simple',
  bound: 'bound',
  hybrid: 'hybrid',
};

/** The words of a run, one for each of its settings. */
function words({ data, drawn, predicts, loss, schedule, steps, seed }: PlaneConfig): readonly string[] {
  const source = data === 'drawn' ? `drawn, ${drawn.length / 2} points` : data;
  return [source, PREDICTION_SYMBOLS[predicts], LOSS_NAMES[loss], schedule, `T ${steps}`, `seed ${seed}`];
}

export function planeName(config: PlaneConfig): string {
  return words(config).join(' · ');
}

/** What all the runs share, and for each of them what sets it apart. */
export function planeNames(configs: readonly PlaneConfig[]): {
  readonly shared: string;
  readonly own: readonly string[];
} {
  const all = configs.map(words);
  const isShared = (word: string, i: number): boolean => all.every((other) => other[i] === word);
  const own = all.map((list) => list.filter((word, i) => !isShared(word, i)).join(' · '));
  const shared = (all[0] ?? []).filter(isShared).join(' · ');
  return own.some((name) => name === '') ? { shared: '', own: configs.map(planeName) } : { shared, own };
}
