import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasBrowser, type Lab, openLab } from './lab.js';

describe.skipIf(!hasBrowser)('the lab where something is in its way', { timeout: 120_000 }, () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await openLab();
  });
  afterAll(() => lab?.close());

  it('is one tab that trains digits and another one that looks on, and starts over only when that is meant', async () => {
    const { page, errors, close } = await lab.visit('digits?batch=16');
    await page.getByRole('button', { name: 'Train' }).click();
    // A pause stores the run, which the other tab then finds.
    await page
      .getByTestId('digits-progress')
      .filter({ hasText: /[1-9] of/ })
      .waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.getByRole('button', { name: 'Pause' }).waitFor();
    const second = await page.context().newPage();
    await second.goto(`${lab.url}#/digits`);
    const told = second.getByText('This run is open in another tab: here it can only be looked at.');
    await told.waitFor();
    expect(await second.getByRole('button', { name: 'Go on' }).isDisabled()).toBe(true);
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Go on' }).waitFor();
    // A run keeps its batches, and there is no knob that does nothing.
    await page.getByText('16 images a step, as it began').waitFor();
    expect(await page.getByRole('radio').count()).toBe(0);
    const stoppedAt = await page.getByTestId('digits-progress').textContent();
    await page.close();
    await second.getByRole('button', { name: 'Look again' }).click();
    await second.getByRole('button', { name: 'Go on', disabled: false }).waitFor();
    await told.waitFor({ state: 'detached' });
    expect(await second.getByTestId('digits-progress').textContent()).toBe(stoppedAt);
    await second.getByRole('button', { name: 'Start over' }).click();
    await second.getByRole('button', { name: 'Keep' }).click();
    expect(await second.getByTestId('digits-progress').textContent()).toBe(stoppedAt);
    await second.getByRole('button', { name: 'Start over' }).click();
    await second.getByRole('button', { name: 'Forget' }).click();
    await second.getByTestId('digits-progress').filter({ hasText: '0 of' }).waitFor();
    expect(errors).toEqual([]);
    await close();
  });

  it('says in the plane, too, that the browser stores nothing, and shows Train and the picture on a phone', async () => {
    const phone = { viewport: { width: 390, height: 844 }, serviceWorkers: 'block' } as const;
    const { page, close } = await lab.visit('plane?T=25', phone, async (page) => {
      // A private window, or one whose disk is full.
      await page.route(/worker-.*\.js$/, async (route) => {
        const response = await route.fetch();
        const refuse = 'navigator.storage.getDirectory = () => Promise.reject(new Error("Refused."));';
        await route.fulfill({ response, body: `${refuse}${await response.text()}` });
      });
    });
    const train = (await page.getByRole('button', { name: 'Train' }).boundingBox())!;
    expect(train.y + train.height).toBeLessThan(500);
    const picture = (await page.getByRole('img', { name: 'particles of the run' }).boundingBox())!;
    expect(844 - picture.y).toBeGreaterThan(200);
    await page.getByRole('button', { name: 'Train' }).click();
    await page.getByText('This browser does not store the run').waitFor();
    await page.getByText('Runs are not kept when the page is closed.').waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
    await close();
  });

  for (const [file, said] of [
    [/worker-.*\.js$/, 'The worker that computes has stopped'],
    [/\.wasm$/, /the file \S+\.wasm could not be loaded \(404\)/],
  ] as const) {
    it(`says once that it computes nothing, and offers to try again, without ${file}`, async () => {
      const { page, close } = await lab.visit('forward', { serviceWorkers: 'block' });
      await page.route(file, (route) => route.fulfill({ status: 404, body: '' }));
      await page.goto(`${lab.url}?again#/plane`);
      const alerts = page.getByRole('alert').filter({ visible: true });
      await alerts.filter({ hasText: said }).waitFor();
      await page.getByRole('button', { name: 'Train' }).click();
      // What can never be is not waited for.
      await page.getByRole('button', { name: 'Pause' }).waitFor({ state: 'detached' });
      expect(await alerts.count()).toBe(1);
      await page.unroute(file);
      await page.getByRole('button', { name: 'Retry' }).click();
      await page.getByTestId('backend').filter({ hasText: 'WebAssembly' }).waitFor();
      expect(await alerts.count()).toBe(0);
      await close();
    });
  }

  it('draws its curves where the browser says that it speaks C, and shows what is chosen in forced colours', async () => {
    const { page, errors, close } = await lab.visit('forward', { forcedColors: 'active' }, (page) =>
      page.addInitScript(() =>
        Object.defineProperty(Navigator.prototype, 'language', { get: () => 'C', configurable: true }),
      ),
    );
    await page.locator('.plots canvas').first().waitFor();
    const backgrounds = await page
      .locator('fieldset')
      .first()
      .locator('label span')
      .evaluateAll((all) => all.map((one) => getComputedStyle(one).backgroundColor));
    expect(new Set(backgrounds).size).toBe(2);
    // A finger that is 8 px off the centre of a handle takes hold of it.
    const handle = page.getByRole('slider', { name: 'ᾱ of the schedule, handle 4 of 7' });
    const { width, height } = (await handle.boundingBox())!;
    expect(Math.min(width, height)).toBeGreaterThanOrEqual(24);
    expect(errors).toEqual([]);
    await close();
  });

  it('takes a picture that is dropped on Forward, and is not left for a file that no page takes', async () => {
    const { page, close } = await lab.visit('forward');
    const drop = () =>
      page.evaluate(() => {
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File(['no picture'], 'text.png'));
        const event = new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true });
        document.body.dispatchEvent(event);
        return event.defaultPrevented;
      });
    expect(await drop()).toBe(true);
    await page.getByRole('alert').filter({ hasText: 'text.png is no picture' }).waitFor();
    await page.getByRole('link', { name: 'Derivation' }).click();
    await page.getByRole('heading', { name: 'The bound, term by term' }).waitFor();
    expect(await drop()).toBe(true);
    await page
      .getByRole('alert')
      .filter({ hasText: 'Derivation takes no files: a picture goes to Forward' })
      .waitFor();
    // It is not said any longer where it does not hold.
    await page.getByRole('link', { name: 'Plane' }).click();
    await page.getByRole('button', { name: 'Train' }).waitFor();
    expect(await page.getByRole('alert').count()).toBe(0);
    await close();
  });
});
