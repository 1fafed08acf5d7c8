import {
  continuous,
  cosine,
  linear,
  type NoiseSchedule,
  rectified,
  rescaleToZeroTerminalSnr,
  varianceExploding,
} from '@diffusion-ts/schedules';
import { PREDICTIONS } from '../src/index.js';

/** One schedule of each kind. */
export const SCHEDULES = {
  linear: linear({ steps: 100 }),
  cosine: cosine({ steps: 20 }),
  'zero terminal SNR': rescaleToZeroTerminalSnr(cosine({ steps: 20 })),
  continuous: continuous((u) => 9 - 14 * u),
  'variance exploding': varianceExploding(),
  rectified: rectified({ shift: 3 }),
};
export type ScheduleName = keyof typeof SCHEDULES;
export type PredictionName = keyof typeof PREDICTIONS;

/** Every prediction with every schedule that it can live on. */
export const PAIRS = (Object.keys(PREDICTIONS) as PredictionName[]).flatMap((predicts) =>
  (Object.keys(SCHEDULES) as ScheduleName[])
    .filter((schedule) => canLiveOn(predicts, SCHEDULES[schedule]))
    .map((schedule): [PredictionName, ScheduleName] => [predicts, schedule]),
);

function canLiveOn(predicts: PredictionName, schedule: NoiseSchedule): boolean {
  if (predicts === 'previous') return schedule.steps !== undefined;
  const endsInPureNoise = schedule.level(schedule.end).alpha === 0;
  return !(endsInPureNoise && (predicts === 'epsilon' || predicts === 'edm'));
}

/** The least noise, the most, and two times in between, one of them a whole one where there are such. */
export function someTimes({ least, end }: NoiseSchedule): Float64Array {
  return Float64Array.of(least, Math.round(100 * (least + 0.11 * (end - least))) / 100, 0.6 * end, end).map(
    (t, i) => (i === 2 && end > 1 ? Math.round(t) : t),
  );
}
