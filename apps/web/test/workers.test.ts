import { availableParallelism } from 'node:os';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasBrowser, ISOLATED, type Lab, NEW_VISITOR, openLab, type Visit, WITHOUT_GPU } from './lab.js';

/** A page of a device with so many cores, whose worker runs `first` before the page asks it for anything. */
async function visit(lab: Lab, address: string, cores: number, first = ''): Promise<Visit> {
  return lab.visit(address, { ...NEW_VISITOR, serviceWorkers: 'block' }, async (page) => {
    await page.route(/worker-.*\.js$/, async (route) => {
      const response = await route.fetch();
      const has = `Object.defineProperty(navigator, 'hardwareConcurrency', { value: ${cores} });`;
      await route.fulfill({ response, body: `${has}${first}${await response.text()}` });
    });
  });
}

describe.skipIf(!hasBrowser)('the lab on several workers', { timeout: 120_000 }, () => {
  let lab: Lab;
  let isolated: Lab;
  beforeAll(async () => {
    [lab, isolated] = await Promise.all([openLab(), openLab(WITHOUT_GPU, ISOLATED)]);
  });
  afterAll(async () => {
    await lab?.close();
    await isolated?.close();
  });

  it('trains as on one within 1e-5, over messages and over shared memory, and starts over with no worker left', async () => {
    const losses: number[][] = [];
    for (const [on, cores, expected] of [
      [lab, 1, 1],
      [lab, 2, 2],
      [isolated, 8, 2],
    ] as const) {
      const { page, errors, close } = await visit(on, 'digits?batch=16', cores);
      if (cores === 8) await page.getByLabel('Workers').selectOption('2 workers');
      expect(await page.evaluate(() => crossOriginIsolated)).toBe(on === isolated);
      await page.getByRole('button', { name: 'Train' }).click();
      await page
        .getByTestId('digits-progress')
        .filter({ hasText: /[1-9]\d of/ })
        .waitFor();
      expect(page.workers()).toHaveLength(expected);
      await page.getByRole('button', { name: 'Pause' }).click();
      await page.getByRole('button', { name: 'Go on' }).waitFor();
      losses.push((await storedLosses(page)).slice(0, 10));
      await page.getByRole('button', { name: 'Start over' }).click();
      await page.getByRole('button', { name: 'Forget' }).click();
      await expect.poll(() => page.workers().length).toBe(1);
      expect(errors).toEqual([]);
      await close();
    }
    const [alone, ...together] = losses;
    expect(alone).toHaveLength(10);
    for (const those of together)
      those.forEach(
        (loss, i) => void expect(Math.abs(loss - alone![i]!), `step ${i + 1}`).toBeLessThan(1e-5),
      );
  });

  it('draws the same images on one and on three', async () => {
    const drawn: string[][] = [];
    for (const workers of [1, 3]) {
      const { page, errors, close } = await visit(lab, `sample?steps=${encodeURIComponent(FEW)}`, workers);
      await expect
        .poll(() => page.getByRole('heading', { name: 'Result' }).count(), { timeout: 60_000 })
        .toBe(4);
      expect(page.workers()).toHaveLength(workers);
      drawn.push(
        await page
          .locator('canvas')
          .evaluateAll((all) => all.map((one) => (one as HTMLCanvasElement).toDataURL())),
      );
      expect(errors).toEqual([]);
      await close();
    }
    expect(drawn[0]!.length).toBeGreaterThan(7);
    expect(new Set(drawn[0]).size).toBeGreaterThan(2);
    expect(drawn[1]).toEqual(drawn[0]);
  });

  it.skipIf(availableParallelism() < 2)(
    'has its helpers offline, from what the service worker keeps',
    async () => {
      const { page, errors, close } = await isolated.visit('forward', NEW_VISITOR);
      await page.evaluate(async () => {
        await navigator.serviceWorker.ready;
        if (!navigator.serviceWorker.controller)
          await new Promise((resolve) =>
            navigator.serviceWorker.addEventListener('controllerchange', resolve),
          );
      });
      await page.context().setOffline(true);
      await page.goto(`${isolated.url}#/digits?batch=16`);
      await page.reload();
      await page.getByRole('button', { name: 'Train' }).click();
      await page
        .getByTestId('digits-progress')
        .filter({ hasText: /[1-9] of/ })
        .waitFor();
      expect(page.workers().length).toBeGreaterThan(1);
      expect(errors).toEqual([]);
      await close();
    },
  );

  it('says why a helper does not help, and goes on with another one', async () => {
    // The script of the first one is not there.
    const first = `const All = Worker; self.Worker = function (url, options) {
      self.Worker = All;
      return new All(url + '.missing', options);
    };`;
    const { page, close } = await visit(lab, 'digits?batch=16', 2, first);
    await page.getByRole('button', { name: 'Train' }).click();
    const told = page.getByRole('alert').filter({ hasText: 'rank 1 failed: its worker could not be loaded' });
    await told.waitFor();
    await page.getByRole('button', { name: 'Train' }).click();
    await page
      .getByTestId('digits-progress')
      .filter({ hasText: /[1-9] of/ })
      .waitFor();
    expect(page.workers()).toHaveLength(2);
    expect(await page.getByRole('alert').count()).toBe(0);
    await close();
  });
});

const FEW = 'ancestral:2,ddim:2,heun:2,dpm-solver++:2';

/** The loss of every step of the run that is stored. */
function storedLosses(page: Page): Promise<number[]> {
  return page.evaluate(async () => {
    const folder = await navigator.storage.getDirectory();
    for await (const [name, handle] of folder.entries()) {
      if (!name.startsWith('digits') || handle.kind !== 'file') continue;
      const bytes = await (await (handle as FileSystemFileHandle).getFile()).arrayBuffer();
      const length = Number(new DataView(bytes).getBigUint64(0, true));
      const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 8, length)));
      const { history } = JSON.parse(header.__metadata__.notes) as { history: { loss: number }[] };
      return history.map(({ loss }) => loss);
    }
    return [];
  });
}
