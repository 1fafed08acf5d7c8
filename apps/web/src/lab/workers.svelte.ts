// On how many workers digits are trained and images drawn: the visitor's choice, kept in this browser.

import { backend } from './client.svelte.js';

const KEY = 'workers';

let chosen = $state(read());

/** As many as chosen, and all that there are where nobody chose. */
export function workers(): number {
  return Math.min(chosen ?? Number.POSITIVE_INFINITY, backend.info?.workers ?? 1);
}

export function chooseWorkers(count: number): void {
  chosen = count;
  try {
    localStorage.setItem(KEY, `${count}`);
  } catch {
    // Storage may be switched off: the choice then lasts as long as the page.
  }
}

function read(): number | undefined {
  try {
    const count = Number(localStorage.getItem(KEY));
    return Number.isInteger(count) && count >= 1 ? count : undefined;
  } catch {
    return undefined;
  }
}
