// Space runs or pauses what the page does; the left and right arrows scrub.

export interface KeyActions {
  run?(): void;
  scrub?(by: number): void;
}

let actions: KeyActions = {};

/** What the keys do as long as the calling component is there. */
export function useKeys(mine: KeyActions): void {
  $effect(() => {
    actions = mine;
    return () => {
      if (actions === mine) actions = {};
    };
  });
}

/** Keys that a control under the focus uses itself are left to it. */
export function onKey(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target as HTMLElement;
  if (target.closest('input, select, textarea, [role=slider], [contenteditable]')) return;
  if (event.key === ' ' && !target.closest('button, a, summary')) {
    if (actions.run === undefined) return;
    actions.run();
  } else if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') {
    if (actions.scrub === undefined) return;
    actions.scrub(event.key === 'ArrowLeft' ? -1 : 1);
  } else return;
  event.preventDefault();
}
