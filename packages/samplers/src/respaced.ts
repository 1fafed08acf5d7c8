import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { type ReverseProcess, reverseProcess } from '@diffusion-ts/reverse-process';
import { fromBetas, type NoiseSchedule, type Respacing, respace } from '@diffusion-ts/schedules';

/** The same network in a process of fewer steps; the process itself where no steps are named. */
export function respaced(reverse: ReverseProcess, steps: Respacing | undefined): ReverseProcess {
  if (steps === undefined) return reverse;
  if (reverse.predicts === 'previous') {
    throw new RangeError(
      `steps is ${JSON.stringify(steps)}, but a network that predicts the previous mean can only take the steps it was trained on: leave steps out`,
    );
  }
  return reverseProcess({ ...reverse, forward: gaussianDiffusion(spaced(reverse.forward.schedule, steps)) });
}

function spaced(schedule: NoiseSchedule, steps: Respacing): NoiseSchedule {
  if (steps !== 1) return respace(schedule, steps);
  // A single step must start from the noise, where `respace` keeps the first step of the schedule.
  const last = schedule.steps - 1;
  return {
    ...fromBetas([1 - schedule.alphaBars[last]!]),
    timesteps: Float64Array.of(schedule.timesteps[last]!),
  };
}
