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

/** What does something of its own with space; a slider and a chosen radio button do not. */
const TAKES_SPACE =
  'button, a, summary, select, textarea, [contenteditable], input:not([type=range], [type=radio]:checked)';
const TAKES_ARROWS = 'input, select, textarea, [role=slider], [contenteditable]';

/** Keys that a control under the focus uses itself are left to it. */
export function onKey(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target as HTMLElement;
  if (event.key === ' ') {
    if (actions.run === undefined || target.closest(TAKES_SPACE)) return;
    if (!event.repeat) actions.run();
  } else if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') {
    if (actions.scrub === undefined || target.closest(TAKES_ARROWS)) return;
    actions.scrub(event.key === 'ArrowLeft' ? -1 : 1);
  } else return;
  event.preventDefault();
}
