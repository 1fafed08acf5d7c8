import { expect, test } from 'vitest';
import { nextTask } from '../src/next-task.js';

test('other tasks of the event loop get their turn while a loop awaits nextTask', async () => {
  const { port1, port2 } = new MessageChannel();
  let heard = false;
  port1.onmessage = () => {
    heard = true;
    port1.close();
  };
  port2.postMessage('an event');
  for (let i = 0; i < 100; i++) await Promise.resolve();
  expect(heard).toBe(false);
  for (let i = 0; i < 100 && !heard; i++) await nextTask();
  expect(heard).toBe(true);
});
