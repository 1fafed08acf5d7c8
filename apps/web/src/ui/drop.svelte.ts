// Files that are dropped anywhere go to the page; without this the browser would open them in the place of the lab.

interface Dropping {
  /** Whether files hang over a page that takes some. */
  over: boolean;
}

let take: ((files: FileList) => void) | undefined;
export const dropping: Dropping = $state({ over: false });

/** What becomes of dropped files as long as the calling component is there. */
export function useDrop(mine: (files: FileList) => void): void {
  $effect(() => {
    take = mine;
    return () => {
      if (take === mine) take = undefined;
      dropping.over = false;
    };
  });
}

export function onDragOver(event: DragEvent): void {
  event.preventDefault();
  dropping.over = take !== undefined;
}

export function onDrop(event: DragEvent): void {
  event.preventDefault();
  dropping.over = false;
  const files = event.dataTransfer?.files;
  if (files?.length) take?.(files);
}
