import { expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { nextTask, tidyNow, whenAnswered } from '../src/index.js';

const count = () => tf.memory().numTensors;

onEachBackend(() => {
  describe('tidyNow', () => {
    it('frees all but the result of a function that answers now', () => {
      const before = count();
      const sum = tidyNow(() => tf.add(tf.square(tf.ones([2])), 3));
      expect(sum).toBeInstanceOf(tf.Tensor);
      expect([...(sum as tf.Tensor).dataSync()]).toEqual([4, 4]);
      expect(count() - before).toBe(1);
      (sum as tf.Tensor).dispose();
    });

    it('leaves what an asynchronous function has made to it, before and after it waits', async () => {
      const before = count();
      const answer = tidyNow(async () => {
        const three = tf.scalar(3);
        await nextTask();
        const square = tf.mul(three, three);
        three.dispose();
        return square;
      });
      expect(answer).toBeInstanceOf(Promise);
      const square = await answer;
      expect([...square.dataSync()]).toEqual([9]);
      square.dispose();
      expect(count()).toBe(before);
    });

    it('leaves no tensor behind of a function that throws', () =>
      expectNoLeak(() => {
        expect(() =>
          tidyNow((): tf.Tensor => {
            tf.ones([2]);
            throw new Error('on purpose');
          }),
        ).toThrow('on purpose');
      }));

    it('gives what it made before it waited to the scope around it', async () => {
      let made: tf.Tensor | undefined;
      const scope = new Promise<void>((resolve) => {
        tf.tidy(() => {
          void Promise.resolve(
            tidyNow(async () => {
              made = tf.ones([2]);
              await nextTask();
              return made;
            }),
          ).then(() => resolve());
          expect(made!.isDisposed).toBe(false);
        });
      });
      await scope;
      expect(made!.isDisposed).toBe(true);
    });

    it('passes a rejection on', async () => {
      await expect(
        tidyNow(async (): Promise<tf.Tensor> => {
          await nextTask();
          throw new Error('no session');
        }),
      ).rejects.toThrow('no session');
    });
  });

  describe('whenAnswered', () => {
    it('gives now what is made of an answer that comes now, and then runs `always`', () => {
      const events: string[] = [];
      const result = whenAnswered(
        () => {
          events.push('ask');
          return tf.ones([2]);
        },
        (answer) => {
          events.push('make');
          return answer.shape.join();
        },
        () => events.push('always'),
      );
      expect([result, ...events]).toEqual(['2', 'ask', 'make', 'always']);
    });

    it('gives later what is made of an answer that comes later, and only then runs `always`', async () => {
      const events: string[] = [];
      const result = whenAnswered(
        async () => {
          await nextTask();
          return tf.ones([2]);
        },
        (answer) => {
          events.push('make');
          return answer.shape.join();
        },
        () => events.push('always'),
      );
      expect(events).toEqual([]);
      expect([await result, ...events]).toEqual(['2', 'make', 'always']);
    });

    it('frees what was made on the way to an answer that comes now', () =>
      expectNoLeak(() =>
        whenAnswered(
          () => tf.square(tf.add(tf.ones([2]), 1)),
          (answer) => answer,
          () => {},
        ),
      ));

    it('runs `always` once, whoever fails, now or later', async () => {
      const fail = (): never => {
        throw new Error('on purpose');
      };
      let runs = 0;
      const always = () => {
        runs += 1;
      };
      expect(() => whenAnswered(fail, () => 1, always)).toThrow('on purpose');
      expect(() => whenAnswered(() => tf.scalar(1), fail, always)).toThrow('on purpose');
      expect(runs).toBe(2);
      const later = async () => tf.scalar(1);
      await expect(
        whenAnswered(
          async () => fail(),
          () => 1,
          always,
        ),
      ).rejects.toThrow('on purpose');
      await expect(whenAnswered(later, fail, always)).rejects.toThrow('on purpose');
      expect(runs).toBe(4);
    });
  });
});
