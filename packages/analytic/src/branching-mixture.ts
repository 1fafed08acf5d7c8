import { type ExactGaussianMixture, exactGaussianMixture } from './exact-gaussian-mixture.js';

/** How fine the branches get. */
export interface BranchingMixtureOptions {
  /** How often a branch divides; default 5. */
  readonly depth?: number;
}

/** How many Gaussians a branch is made of. */
const PER_BRANCH = 6;

/**
 * Two classes in the plane, two trees side by side whose twigs meet, of scales from the trunk to twigs as fine as a
 * hundredth: data with the structure that guidance is hard on, in the spirit of the toy of Karras et al. 2024 ("Guiding a
 * diffusion model with a bad version of itself", section 3). A branch of length ℓ and width ℓ/14 is followed by two of 0.68
 * ℓ that each carry half of what it does, turned by ±0.62 + 0.1 of a radian, so that no tree is its own mirror image; class 1
 * is class 0 mirrored in the vertical.
 * @throws RangeError if the depth is no whole number from 0 on.
 */
export function branchingMixture({ depth = 5 }: BranchingMixtureOptions = {}): ExactGaussianMixture {
  if (!Number.isInteger(depth) || depth < 0)
    throw new RangeError(`depth must be a whole number from 0 on, not ${depth}`);
  const tree = grown({ x: 0.08, y: -0.9, angle: 1.25, length: 0.62, weight: 1 }, depth);
  const components = [0, 1].flatMap((label) => tree.map((part) => ({ ...part, label })));
  return exactGaussianMixture({
    weights: components.map(({ weight }) => weight),
    means: components.map(({ x, y, label }) => [label === 0 ? x : -x, y]),
    deviations: components.map(({ deviation }) => deviation),
    labels: components.map(({ label }) => label),
  });
}

interface Branch {
  readonly x: number;
  readonly y: number;
  readonly angle: number;
  readonly length: number;
  readonly weight: number;
}

/** The Gaussians along a branch, and along what grows at its end. */
function grown(
  { x, y, angle, length, weight }: Branch,
  divisions: number,
): { x: number; y: number; deviation: number; weight: number }[] {
  const [dx, dy] = [length * Math.cos(angle), length * Math.sin(angle)];
  const own = Array.from({ length: PER_BRANCH }, (_, i) => {
    const along = (i + 0.5) / PER_BRANCH;
    return {
      x: x + along * dx,
      y: y + along * dy,
      deviation: length / 14,
      weight: weight / PER_BRANCH,
    };
  });
  if (divisions === 0) return own;
  const twigs = [0.72, -0.52].flatMap((turn) =>
    grown(
      { x: x + dx, y: y + dy, angle: angle + turn, length: 0.68 * length, weight: weight / 2 },
      divisions - 1,
    ),
  );
  return [...own, ...twigs];
}
