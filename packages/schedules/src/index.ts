export { type Between, between } from './between.js';
export { constantFraction } from './constant-fraction.js';
export { continuous } from './continuous.js';
export { cosine } from './cosine.js';
export { fromAlphaBars } from './from-alpha-bars.js';
export { fromBetas } from './from-betas.js';
export { fromGammas } from './from-gammas.js';
export { isPureNoise } from './level.js';
export { linear } from './linear.js';
export { quadratic } from './quadratic.js';
export { rectified } from './rectified.js';
export { rescaleToZeroTerminalSnr } from './rescale-to-zero-terminal-snr.js';
export type { DiscreteSchedule, NoiseLevel, NoiseSchedule } from './schedule.js';
export { sigmoid } from './sigmoid.js';
export {
  even,
  every,
  karras,
  lastOf,
  leading,
  leadingToData,
  linspace,
  linspaceToData,
  logSnrSpaced,
  sections,
  startingAt,
  strided,
  type Times,
  times,
  trailing,
} from './times.js';
export { varianceExploding } from './variance-exploding.js';
