// Files that are dropped anywhere go to the page; without this the browser would open them in the place of the lab.

interface Dropping {
  /** Whether files hang over a page that takes some. */
  over: boolean;
  /** What is said of files that the page does not take. */
  refused: string;
}

let take: ((files: FileList) => void) | undefined;
export const dropping: Dropping = $state({ over: false, refused: '' });

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
  dropping.over = take !== undefined && event.dataTransfer?.types.includes('Files') === true;
}

/** @param page what the page is called. */
export function onDrop(event: DragEvent, page: string): void {
  event.preventDefault();
  dropping.over = false;
  const files = event.dataTransfer?.files;
  if (!files?.length) return;
  dropping.refused =
    take === undefined
      ? `${page} takes no files: a picture goes to Forward, a model.safetensors to Digits or Sample.`
      : '';
  take?.(files);
}
