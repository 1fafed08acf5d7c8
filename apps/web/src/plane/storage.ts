// Runs in the plane, kept from visit to visit: a file for each.

import { readStateFile, stateToFile } from '../lab/state-file.js';
import { forgetFiles, storedFiles, storeFile } from '../lab/storage.js';
import type { PlaneConfig } from './config.js';
import type { PlaneEvaluation } from './evaluation.js';
import { type PlaneModel, planeModel } from './model.js';

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

export async function storePlaneRun(id: number, model: PlaneModel): Promise<void> {
  const { config, network, state, losses, lossByT, evaluation } = model;
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
  await storeFile(nameOf(id), await stateToFile(state, network, notes));
}

/** The newest `count` runs that are stored, the oldest of them first; what cannot be read any more is thrown away. */
export async function storedPlaneRuns(count: number): Promise<readonly (readonly [number, PlaneModel])[]> {
  const files = [...(await storedFiles(PREFIX))]
    .map(([name, file]) => ({ id: Number.parseInt(name.slice(PREFIX.length), 10), file }))
    .sort((a, b) => b.id - a.id);
  const models: (readonly [number, PlaneModel])[] = [];
  for (const { id, file } of files) {
    const model = models.length < count ? await readRun(file).catch(() => undefined) : undefined;
    if (model === undefined) await forgetPlaneRuns([id]);
    else models.unshift([id, model]);
  }
  return models;
}

export async function forgetPlaneRuns(ids: readonly number[]): Promise<void> {
  await forgetFiles(ids.map(nameOf)).catch(() => {});
}

async function readRun(file: File): Promise<PlaneModel> {
  const { notes, state } = readStateFile(new Uint8Array(await file.arrayBuffer()));
  const { config, losses, lossByT, evaluation } = notes as Notes;
  return planeModel(
    { ...config, drawn: Float32Array.from(config.drawn) },
    {
      state,
      losses: Float32Array.from(losses, orNaN),
      lossByT: Float64Array.from(lossByT, orNaN),
      ...(evaluation && { evaluation: revived(evaluation) }),
    },
  );
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
