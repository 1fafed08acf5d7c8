import { describe } from 'vitest';
import { hasNode } from '../src/index.js';

/** A group of tests that need what `npm run native` makes; without it they show up as skipped, by name. */
export function describeInstalled(title: string, tests: () => void): void {
  describe.skipIf(!hasNode())(hasNode() ? title : `${title} (tensorflow is not installed)`, tests);
}
