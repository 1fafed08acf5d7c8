import { Worker as Thread } from 'node:worker_threads';

/** A thread of Node, seen as a page sees its workers, as far as `workers` looks. */
export function webWorker(url: URL): Worker {
  const thread = new Thread(url, { execArgv: [] });
  const worker = new EventTarget();
  const tell = (type: string, what: object): void =>
    void worker.dispatchEvent(Object.assign(new Event(type), what));
  thread.on('message', (said: object) => tell('message', said));
  thread.on('error', ({ message }: Error) => tell('error', { message }));
  return Object.assign(worker, { terminate: () => void thread.terminate() }) as unknown as Worker;
}
