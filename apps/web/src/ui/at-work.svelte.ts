// What goes on computing while its page is left: it is shown wherever the visitor is.

export interface Work {
  /** The name of its page. */
  readonly page: string;
  /** How much of it is done, from 0 to 1; read again and again. */
  done(): number;
}

let works = $state.raw<readonly Work[]>([]);

/** What is computing for a page just now. */
export function workOf(page: string): Work | undefined {
  return works.findLast((work) => work.page === page);
}

/** Shows a piece of work until it has ended. */
export async function whileAtWork<T>(work: Work, task: () => Promise<T>): Promise<T> {
  works = [...works, work];
  try {
    return await task();
  } finally {
    works = works.filter((other) => other !== work);
  }
}
