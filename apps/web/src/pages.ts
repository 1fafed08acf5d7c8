import type { Component } from 'svelte';

export interface Page {
  readonly name: string;
  readonly title: string;
  /** Whether it computes on several workers. */
  readonly ranks?: boolean;
  load(): Promise<{ default: Component }>;
}

/** Each page is loaded when it is first asked for. */
export const pages: readonly Page[] = [
  { name: 'forward', title: 'Forward', load: () => import('./forward/Forward.svelte') },
  { name: 'plane', title: 'Plane', load: () => import('./plane/Plane.svelte') },
  { name: 'digits', title: 'Digits', ranks: true, load: () => import('./digits/Digits.svelte') },
  { name: 'sample', title: 'Sample', ranks: true, load: () => import('./sample/Sample.svelte') },
  { name: 'derivation', title: 'Derivation', load: () => import('./derivation/Derivation.svelte') },
];

/** The page of that name, or the first. */
export function pageNamed(name: string): Page {
  return pages.find((page) => page.name === name) ?? pages[0]!;
}
