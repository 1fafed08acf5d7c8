/**
 * Runs one thing at a time and forgets all but the newest of those that wait: what a picture that follows a slider
 * needs. Failures go to `onError`.
 */
export function latestOnly(onError: (error: unknown) => void): (work: () => Promise<void>) => void {
  let busy = false;
  let pending: (() => Promise<void>) | undefined;
  return async function next(work): Promise<void> {
    pending = work;
    if (busy) return;
    busy = true;
    while (pending !== undefined) {
      const current: () => Promise<void> = pending;
      pending = undefined;
      await current().catch(onError);
    }
    busy = false;
  };
}
