import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { type ReverseProcess, reverseProcess } from '@diffusion-ts/reverse-process';
import { type Respacing, respace } from '@diffusion-ts/schedules';

/** The same network in a process of fewer steps; the process itself where no steps are named. */
export function respaced(reverse: ReverseProcess, steps: Respacing | undefined): ReverseProcess {
  if (steps === undefined) return reverse;
  if (reverse.predicts === 'previous') {
    throw new RangeError(
      `steps is ${JSON.stringify(steps)}, but a network that predicts the previous mean can only take the steps it was trained on: leave steps out`,
    );
  }
  // A single step must start from the noise, where `respace` keeps the first step of the schedule.
  const schedule = respace(reverse.forward.schedule, steps === 1 ? 'trailing1' : steps);
  return reverseProcess({ ...reverse, forward: gaussianDiffusion(schedule) });
}
