// Runs in the plane, kept from visit to visit: a file for each.

import { disposeState } from '@diffusion-ts/training';
import type { PlaneConfig } from '../model/plane-config.js';
import type { PlaneEvaluation } from './plane-evaluation.js';
import { type PlaneRun, planeRun } from './plane-run.js';
import { stateFromFile, stateToFile } from './state-file.js';
import { forgetFiles, storedFiles, storeFile } from './storage.js';

const PREFIX = 'plane-run-';
const nameOf = (id: number): string => `${PREFIX}${id}.safetensors`;

/** What a run is beside its weights. JSON has no NaN and no typed arrays. */
interface Notes {
  readonly config: Omit<PlaneConfig, 'drawn'> & { readonly drawn: readonly number[] };
  readonly losses: readonly (number | null)[];
  readonly lossByT: readonly (number | null)[];
  readonly evaluation?: Omit<PlaneEvaluation, 'bound' | 'particles'> & {
    readonly bound: Omit<PlaneEvaluation['bound'], 'transitions'> & {
      readonly transitions: readonly number[];
    };
    readonly particles: { readonly t: readonly number[]; readonly points: readonly (readonly number[])[] };
  };
}

export async function storePlaneRun(id: number, run: PlaneRun): Promise<void> {
  const { config, state, losses, lossByT, evaluation } = run;
  const short = (value: number): number => Number(value.toPrecision(4));
  const notes: Notes = {
    config: { ...config, drawn: [...config.drawn] },
    losses: Array.from(losses, short),
    lossByT: [...lossByT],
    ...(evaluation && {
      evaluation: {
        ...evaluation,
        bound: { ...evaluation.bound, transitions: [...evaluation.bound.transitions] },
        particles: {
          t: evaluation.particles.t,
          points: evaluation.particles.points.map((points) => Array.from(points, short)),
        },
      },
    }),
  };
  await storeFile(nameOf(id), await stateToFile(state, notes));
}

/** The newest `count` runs that are stored, the oldest of them first; what cannot be read any more is thrown away. */
export async function storedPlaneRuns(count: number): Promise<readonly (readonly [number, PlaneRun])[]> {
  const files = [...(await storedFiles(PREFIX))]
    .map(([name, file]) => ({ id: Number.parseInt(name.slice(PREFIX.length), 10), file }))
    .sort((a, b) => b.id - a.id);
  const runs: (readonly [number, PlaneRun])[] = [];
  for (const { id, file } of files) {
    const run = runs.length < count ? await readRun(file).catch(() => undefined) : undefined;
    if (run === undefined) await forgetPlaneRuns([id]);
    else runs.unshift([id, run]);
  }
  return runs;
}

export async function forgetPlaneRuns(ids: readonly number[]): Promise<void> {
  await forgetFiles(ids.map(nameOf)).catch(() => {});
}

async function readRun(file: File): Promise<PlaneRun> {
  const { state, notes } = stateFromFile(new Uint8Array(await file.arrayBuffer()));
  try {
    const { config, losses, lossByT, evaluation } = notes as Notes;
    return await planeRun(
      { ...config, drawn: Float32Array.from(config.drawn) },
      {
        state,
        losses: Float32Array.from(losses, orNaN),
        lossByT: Float64Array.from(lossByT, orNaN),
        ...(evaluation && { evaluation: revived(evaluation) }),
      },
    );
  } catch (error) {
    disposeState(state);
    throw error;
  }
}

function revived(evaluation: NonNullable<Notes['evaluation']>): PlaneEvaluation {
  const { bound, particles } = evaluation;
  return {
    ...evaluation,
    bound: { ...bound, transitions: Float64Array.from(bound.transitions) },
    particles: { t: particles.t, points: particles.points.map((points) => Float32Array.from(points)) },
  };
}

function orNaN(value: number | null): number {
  return value ?? Number.NaN;
}
