// Runs in the plane, kept from visit to visit: a file for each.

import { readStateFile, stateToFile } from '../lab/state-file.js';
import { forgetFiles, keepFile, own, setAside, storedFiles } from '../lab/storage.js';
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
  /** Not of runs that earlier versions of the site stored. */
  readonly bounds?: [number, number][];
  readonly evaluation?: Omit<PlaneEvaluation, 'bound' | 'particles'> & {
    readonly bound: Omit<PlaneEvaluation['bound'], 'transitions'> & {
      readonly transitions: readonly number[];
    };
    readonly particles: { readonly t: readonly number[]; readonly points: readonly (readonly number[])[] };
  };
}

/** Stores the run; says why where that is not possible. */
export async function storePlaneRun(id: number, model: PlaneModel): Promise<string | undefined> {
  const { config, network, state, losses, lossByT, bounds, evaluation } = model;
  const short = (value: number): number => Number(value.toPrecision(4));
  const notes: Notes = {
    config: { ...config, drawn: [...config.drawn] },
    losses: Array.from(losses, short),
    lossByT: [...lossByT],
    bounds,
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
  return keepFile(nameOf(id), () => stateToFile(state, network, notes));
}

export interface StoredPlaneRun {
  readonly id: number;
  readonly model: PlaneModel;
  /** Whether another tab has it, and may be training it. */
  readonly elsewhere: boolean;
}

/**
 * The newest `count` runs that are stored, the oldest of them first; older ones go. What cannot be read is put aside, and
 * `notices` says so.
 * @param isMine whether a run is this tab's, and not another one's: see `ownPlaneRun`.
 */
export async function storedPlaneRuns(
  count: number,
  isMine: (id: number) => Promise<boolean>,
): Promise<{ readonly runs: readonly StoredPlaneRun[]; readonly notices: readonly string[] }> {
  const files = [...(await storedFiles(PREFIX))]
    .map(([name, file]) => ({ id: Number.parseInt(name.slice(PREFIX.length), 10), name, file }))
    .sort((a, b) => b.id - a.id);
  const mine = await Promise.all(files.map(({ id }) => isMine(id)));
  const runs: StoredPlaneRun[] = [];
  const notices: string[] = [];
  for (const [i, { id, name, file }] of files.entries()) {
    const elsewhere = !mine[i];
    if (runs.length >= count) {
      if (!elsewhere) await forgetPlaneRuns([id]);
      continue;
    }
    try {
      runs.unshift({ id, model: await readRun(file), elsewhere });
    } catch (error) {
      if (!elsewhere) notices.push(await setAside(name, file, error));
    }
  }
  return { runs, notices };
}

/** Makes a run this tab's own; false where another tab has it. To be asked for once. */
export function ownPlaneRun(id: number): Promise<boolean> {
  return own(nameOf(id));
}

/** Waits for what is being written of the runs, and removes them. */
export async function forgetPlaneRuns(ids: readonly number[]): Promise<void> {
  await forgetFiles(ids.map(nameOf)).catch(() => {});
}

async function readRun(file: Blob): Promise<PlaneModel> {
  const { notes, state } = readStateFile(new Uint8Array(await file.arrayBuffer()));
  const { config, losses, lossByT, bounds = [], evaluation } = notes as Notes;
  return planeModel(
    { ...config, drawn: Float32Array.from(config.drawn) },
    {
      state,
      losses: Float32Array.from(losses, orNaN),
      lossByT: Float64Array.from(lossByT, orNaN),
      bounds,
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
