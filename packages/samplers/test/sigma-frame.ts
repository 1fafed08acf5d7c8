import { type Batch, sum } from '../src/conformance/batch.js';

/** A step in the σ-frame, x̃ = x/α and σ̃ = σ/α, in float64: of examples, or of what they are made of, row by row. */
export interface SigmaStep {
  /** x̃ where the step begins. */
  readonly x: Batch;
  /** σ̃ where it begins. */
  readonly a: number;
  /** σ̃ where it leads. */
  readonly b: number;
  /** x̂_0 of the exact network. */
  seen(x: Batch, sigma: number): Batch;
  /** The noise of the way between two σ̃. */
  z(from: number, to: number): Batch;
  /** What was seen before, the newest first, with the σ̃ where: as much as the order of this step asks for. */
  readonly past: readonly { readonly x0: Batch; readonly sigma: number }[];
}

/** x̃ at the end of a step. */
export type SigmaMethod = (step: SigmaStep) => Batch;

/** σ_down and σ_up of k-diffusion. */
function ancestralStep(a: number, b: number, eta: number): [down: number, up: number] {
  const up = Math.min(b, eta * Math.sqrt((b ** 2 * (a ** 2 - b ** 2)) / a ** 2));
  return [Math.sqrt(b ** 2 - up ** 2), up];
}

/** k-diffusion's Euler ancestral, which is DDIM with this η. */
export const eulerAncestral =
  (eta: number): SigmaMethod =>
  ({ x, a, b, seen, z }) => {
    const [down, up] = ancestralStep(a, b, eta);
    const d = sum([1 / a, x], [-1 / a, seen(x, a)]);
    return sum([1, x], [down - a, d], [up, z(a, b)]);
  };

/** k-diffusion's DPM2 ancestral. */
export const dpm2Ancestral =
  (eta: number): SigmaMethod =>
  ({ x, a, b, seen, z }) => {
    const [down, up] = ancestralStep(a, b, eta);
    const d = sum([1 / a, x], [-1 / a, seen(x, a)]);
    if (down === 0) return sum([1, x], [down - a, d], [up, z(a, b)]);
    const mid = Math.exp((Math.log(a) + Math.log(down)) / 2);
    const xMid = sum([1, x], [mid - a, d]);
    const dMid = sum([1 / mid, xMid], [-1 / mid, seen(xMid, mid)]);
    return sum([1, x], [down - a, dMid], [up, z(a, b)]);
  };

/** h, the length of a step in λ = −ln σ̃; e^{−2h} − 1; and what there is without x̂_0. */
function sde({ x, a, b, z }: SigmaStep, to = b): { h: number; decay: number; rest: [number, Batch][] } {
  const h = Math.log(a / to);
  const decay = Math.expm1(-2 * h);
  return {
    h,
    decay,
    rest: [
      [Math.exp(-2 * h), x],
      [to * Math.sqrt(-decay), z(a, to)],
    ],
  };
}

/** k-diffusion's dpmpp_sde, r = ½. */
export const sde2S: SigmaMethod = (step) => {
  const { x, a, b, seen } = step;
  if (b === 0) return seen(x, a);
  const mid = Math.sqrt(a * b);
  const [half, whole] = [sde(step, mid), sde(step)];
  const xMid = sum(...half.rest, [-half.decay, seen(x, a)]);
  return sum(...whole.rest, [-whole.decay, seen(xMid, mid)]);
};

/** SDE-DPM-Solver++ 1, 2M and 3M, as many as there are predictions: eq. of Lu et al. 2022 and k-diffusion's dpmpp_3m_sde. */
export const sdeMultistep: SigmaMethod = (step) => {
  const { x, a, b, seen, past } = step;
  const x0 = seen(x, a);
  if (b === 0) return x0;
  const { h, decay, rest } = sde(step);
  const [before, earlier] = past;
  if (before === undefined) return sum(...rest, [-decay, x0]);
  const r0 = Math.log(before.sigma / a) / h;
  const D10 = sum([1 / r0, x0], [-1 / r0, before.x0]);
  if (earlier === undefined) return sum(...rest, [-decay, x0], [-decay / 2, D10]);
  const r1 = Math.log(earlier.sigma / before.sigma) / h;
  const D11 = sum([1 / r1, before.x0], [-1 / r1, earlier.x0]);
  const D2 = sum([1 / (r0 + r1), D10], [-1 / (r0 + r1), D11]);
  const D1 = sum([1, D10], [r0, D2]);
  const phi2 = decay / (2 * h) + 1;
  const phi3 = phi2 / (2 * h) - 0.5;
  return sum(...rest, [-decay, x0], [phi2, D1], [-phi3, D2]);
};

/** Algorithm 2 of Karras et al. 2022 from σ̂ on. */
export const heun: SigmaMethod = ({ x, a, b, seen }) => {
  const d = sum([1 / a, x], [-1 / a, seen(x, a)]);
  const euler = sum([1, x], [b - a, d]);
  if (b === 0) return euler;
  const dThere = sum([1 / b, euler], [-1 / b, seen(euler, b)]);
  return sum([1, x], [(b - a) / 2, d], [(b - a) / 2, dThere]);
};
