export type { NoiseSchedule } from './schedule.js';
