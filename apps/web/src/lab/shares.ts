// What the helpers can be asked to do their share of.

import type { DigitsShare } from '../digits/train.js';
import type { SampleShare } from '../sample/draw-model.js';

export interface Shares {
  digits: DigitsShare;
  sample: SampleShare;
}

/** What the first rank says before a job. */
export type Asked = {
  readonly [Name in keyof Shares]: { readonly share: Name; readonly told: Shares[Name] };
}[keyof Shares];

/**
 * With this at the end of its name, the lab's worker is one that helps: so all its files are there already. What a service
 * worker answers has no such end of its address.
 */
export const HELPER = '#helper';
