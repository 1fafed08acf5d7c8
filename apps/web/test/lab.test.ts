import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { firstLoad } from './first-load.js';
import { hasBrowser, type Lab, openLab, type Visit } from './lab.js';

/** As it stands in the address, how many steps each sampler takes. */
const steps = (...counts: readonly number[]): string =>
  encodeURIComponent(
    ['ancestral', 'ddim', 'heun', 'dpm-solver++'].map((sampler, i) => `${sampler}:${counts[i]}`).join(),
  );
const ONE_STEP = steps(1, 1, 1, 1);
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

describe.skipIf(!hasBrowser)('the lab in Chromium', { timeout: 150_000 }, () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await openLab();
  });
  afterAll(() => lab?.close());

  it('loads at first just the files that are counted for the first load', async () => {
    const visit = await lab.visit('', { serviceWorkers: 'block' });
    const names = () => performance.getEntriesByType('resource').map(({ name }) => name);
    const worker = visit.page.workers()[0]!;
    const urls = [...(await visit.page.evaluate(names)), worker.url(), ...(await worker.evaluate(names))];
    await visit.close();
    const files = [...new Set(urls.map((url) => url.slice(lab.url.length)))];
    const own = files.filter((file) => !/^(data|checkpoint)\//.test(file));
    expect(own.length).toBeGreaterThan(10);
    expect(firstLoad('Forward')).toEqual(expect.arrayContaining(own));
  });

  // Of these none leaves anything behind that is stored.
  describe('in one profile', () => {
    let visit: Visit;
    beforeAll(async () => {
      visit = await lab.visit('forward');
    });
    afterEach(() => expect(visit.errors.splice(0)).toEqual([]));
    afterAll(() => visit?.close());

    type Media = Parameters<Page['emulateMedia']>[0];
    /** As a visitor with a mouse and a large screen sees it who comes to this address. */
    async function load(hash: string, media: Media = {}): Promise<Page> {
      const { page } = visit;
      await page.setViewportSize({ width: 1280, height: 900 });
      await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce', ...media });
      await visit.load(hash);
      return page;
    }

    for (const name of ['forward', 'plane', 'digits', 'sample', 'derivation']) {
      it(`has no violation for axe and no error on the page ${name}, light and dark`, async () => {
        const page = await load(name);
        await page.waitForLoadState('networkidle');
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme });
          expect(await violations(page)).toEqual([]);
        }
        await page.setViewportSize({ width: 390, height: 844 });
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
      });
    }

    it('offers no switch where the browser has no WebGPU adapter', async () => {
      const page = await load('plane');
      expect(await page.getByRole('button', { name: 'Use WebGPU' }).count()).toBe(0);
    });

    it('says that a schedule which destroys too little does, and lets one be drawn by mouse and by keyboard', async () => {
      const page = await load('forward?schedule=linear&T=100');
      await page.getByTestId('verdict').filter({ hasText: 'Enough is destroyed' }).waitFor();
      const handle = page.getByRole('slider', { name: 'ᾱ of the schedule, handle 4 of 7' });
      // Drawing begins with the curve that is shown.
      const linear = await handle.getAttribute('aria-valuetext');
      await page.getByText('drawn', { exact: true }).click();
      await page.waitForURL(/schedule=drawn/);
      expect(await handle.getAttribute('aria-valuetext')).toBe(linear);
      const at = (await handle.boundingBox())!;
      const value = async (): Promise<number> =>
        Number((await handle.getAttribute('aria-valuetext'))!.replace('ᾱ ', ''));
      const before = await value();
      await page.mouse.move(at.x + at.width / 2, at.y + at.height / 2);
      await page.mouse.down();
      await page.mouse.move(at.x + at.width / 2, at.y - 20, { steps: 8 });
      await page.mouse.up();
      // Its plot is some 130 pixels high.
      expect((await value()) - before).toBeGreaterThan(0.15);
      expect((await handle.boundingBox())!.y).toBeLessThan(at.y - 20);
      // A handle goes no further than its neighbour, so the last but one first.
      for (const last of [6, 7]) {
        const slider = page.getByRole('slider', { name: `ln SNR of the schedule, handle ${last} of 7` });
        for (let press = 0; press < 4; press++) await slider.press('PageUp');
      }
      await page.getByTestId('verdict').filter({ hasText: 'Too little is destroyed' }).waitFor();
      await page.waitForURL(/schedule=drawn/);
      expect(Number(await page.getByTestId('prior').textContent())).toBeGreaterThan(1e-3);
      // With less motion asked for, what plays is at its end at once, and after it at its beginning.
      await page.locator('h1').click();
      for (const t of [1, 100]) {
        await page.keyboard.press('Space');
        await page.getByRole('heading', { name: `xₜ at t = ${t}` }).waitFor();
      }
    });

    it('draws its curves from side to side, also on a phone and in the dark', async () => {
      const page = await load('forward');
      await page.evaluate(() => document.fonts.ready);
      /** Of each plot's columns the part that has the colour of its curve. */
      const covered = (): Promise<number[]> =>
        page.evaluate(() =>
          [...document.querySelectorAll<HTMLCanvasElement>('.plots canvas')].map((canvas) => {
            const { width, height } = canvas;
            const { data } = canvas.getContext('2d')!.getImageData(0, 0, width, height);
            const columns = Array.from({ length: width }, (_, x) =>
              Array.from({ length: height }, (_, y) => 4 * (y * width + x)).some(
                (i) => data[i + 3]! > 100 && data[i + 2]! - data[i]! > 60,
              ),
            );
            return columns.filter(Boolean).length / width;
          }),
        );
      for (const [width, colorScheme] of [
        [1280, 'light'],
        [1280, 'dark'],
        [390, 'dark'],
        [390, 'light'],
      ] as const) {
        await page.setViewportSize({ width, height: 844 });
        await page.emulateMedia({ colorScheme });
        await expect
          .poll(async () => Math.min(...(await covered())), { timeout: 20_000 })
          .toBeGreaterThan(0.7);
        expect((await covered()).length).toBe(3);
      }
    });

    it('plays the forward process from its beginning to its end, and not from before it', async () => {
      const page = await load('forward?t=0', { reducedMotion: 'no-preference' });
      await page.getByTestId('verdict').filter({ hasText: 'Enough is destroyed' }).waitFor();
      const times = page.evaluate(() => {
        const slider = document.querySelector<HTMLInputElement>('input[aria-valuetext^="t ="]')!;
        const seen: number[] = [];
        return new Promise<number[]>((resolve) => {
          new MutationObserver(() => {
            seen.push(Number(slider.getAttribute('aria-valuetext')!.slice(4)));
            if (seen.at(-1) === 1000) resolve(seen);
          }).observe(slider, { attributeFilter: ['aria-valuetext'] });
        });
      });
      await page.getByRole('button', { name: 'Play' }).click();
      const seen = await times;
      expect(seen.length).toBeGreaterThan(5);
      expect(seen).toEqual(seen.toSorted((a, b) => a - b));
      expect(seen[0]).toBeGreaterThanOrEqual(1);
      expect(await page.getByRole('alert').count()).toBe(0);
    });

    it('noises a picture of the visitor, in colour, and says of another file that it is none', async () => {
      const page = await load('forward?t=0&T=1000');
      // A third of the middle square is red, one is transparent, and so white, and one is blue.
      const picture = await page.evaluate(() => {
        const canvas = Object.assign(document.createElement('canvas'), { width: 90, height: 60 });
        const context = canvas.getContext('2d')!;
        for (const [x, colour] of [
          [0, '#f00'],
          [55, '#00f'],
        ] as const) {
          context.fillStyle = colour;
          context.fillRect(x, 0, 35, 60);
        }
        return canvas.toDataURL('image/png').split(',')[1]!;
      });
      const choose = (name: string, buffer: Buffer): Promise<void> =>
        page.locator('input[type=file]').setInputFiles({ name, mimeType: 'image/png', buffer });
      await choose('flag.png', Buffer.from(picture, 'base64'));
      const pixels = (): Promise<number[][]> =>
        page
          .getByRole('img', { name: 'The image at t = 1', exact: true })
          .last()
          .locator('canvas')
          .evaluate((canvas) =>
            [10, 32, 54].map((x) => [
              ...(canvas as HTMLCanvasElement).getContext('2d')!.getImageData(x, 32, 1, 1).data,
            ]),
          );
      await page.waitForFunction(() => document.querySelector('.now canvas')?.getAttribute('width') === '64');
      // It has its size before it is drawn.
      await expect
        .poll(async () => {
          const [left, middle, right] = (await pixels()) as [number[], number[], number[]];
          return Math.min(left[0]! - left[2]!, ...middle, right[2]! - right[0]!);
        })
        .toBeGreaterThan(200);
      await choose('text.png', Buffer.from('no picture'));
      await page
        .getByRole('alert')
        .filter({ hasText: 'text.png is no picture that this browser can read.' })
        .waitFor();
    });

    it('samples with every sampler from one seed, with the steps asked for, and goes on from a step', async () => {
      const page = await load(`sample?guidance=0&steps=${steps(6, 6, 5, 4)}`);
      // Heun's looks twice in every step but the last.
      await drawn(page, [6, 6, 9, 4]);
      const samplers = ['DDPM', 'DDIM', 'Heun', 'DPM-Solver++'];
      expect(await page.locator('.samplers figure h2').allTextContents()).toEqual(samplers);
      // The first picture of each is the same noise.
      await page.locator('h1').click();
      for (let press = 0; press < 25; press++) await page.keyboard.press('ArrowLeft');
      const [first, ...others] = await firstPictures(page);
      for (const other of others) expect(other).toEqual(first);

      for (const [i, sampler] of samplers.entries()) {
        const figure = page.locator('.samplers figure').nth(i);
        await page.locator('h1').click();
        for (let press = 0; press < 25; press++) await page.keyboard.press('ArrowRight');
        for (let press = 0; press < 12; press++) await page.keyboard.press('ArrowLeft');
        expect(await figure.innerHTML(), sampler).toMatch(/at step [23]"/);
        await figure.getByRole('button', { name: 'Re-run from here' }).click();
        // The steps before are kept: as many evaluations in all as without a halt.
        await drawn(page, [6, 6, 9, 4]);
        expect(contrast((await firstPictures(page))[i]!), sampler).toBeGreaterThan(150);
      }

      // A slider of one sampler changes its count alone.
      await page.getByRole('slider', { name: 'Steps' }).nth(3).press('ArrowRight');
      await drawn(page, [6, 6, 9, 5]);
      await page.waitForURL((url) => decodeURIComponent(url.hash).includes('dpm-solver++:5'));
      expect(await violations(page)).toEqual([]);
    });

    it('refuses a corrupt checkpoint that is dropped, keeps the model it has, and takes a whole one', async () => {
      const page = await load(`sample?steps=${ONE_STEP}`);
      await page.getByTestId('model').filter({ hasText: 'Model: the shipped model' }).waitFor();
      /** Drops weights, as many bytes as there are of them or fewer, and their config.json on the page. */
      const drop = (name: string, bytes?: number): Promise<void> =>
        page.evaluate(
          async (weightsFile) => {
            const [weights, config] = await Promise.all(
              ['model.safetensors', 'config.json'].map(async (file) =>
                (await fetch(`checkpoint/${file}`)).blob(),
              ),
            );
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([weights!.slice(0, weightsFile.bytes)], weightsFile.name));
            dataTransfer.items.add(new File([config!], 'config.json'));
            document.body.dispatchEvent(
              new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }),
            );
          },
          { name, bytes },
        );
      await drop('cut.safetensors', 5000);
      await page.getByRole('alert').waitFor();
      expect(await page.getByRole('alert').textContent()).toMatch(/bytes/);
      expect(await page.getByTestId('model').textContent()).toContain('the shipped model');
      expect(await violations(page)).toEqual([]);
      await drop('ema.safetensors');
      await page
        .getByTestId('model')
        .filter({ hasText: 'Model: ema.safetensors, 280,881 weights' })
        .waitFor();
      expect(await page.getByRole('alert').count()).toBe(0);
      await drawn(page, [1, 1, 1, 1]);
    });

    it('inpaints from what is known and draws from a scribble, with each of the samplers', async () => {
      const page = await load(`sample?mode=inpaint&guidance=0&steps=${steps(8, 8, 4, 8)}`);
      await drawn(page, [8, 8, 7, 8]);
      // What the mask does not cover: the upper half, thirteen rows of the first picture.
      const upper = (await firstPictures(page)).map((image) => image.slice(0, 28 * 13));
      const [known] = await firstPictures(page, '.drawing canvas');
      expect(upper.length).toBe(4);
      for (const image of upper) {
        const worst = Math.max(...image.map((value, i) => Math.abs(value - known![i]!)));
        expect(worst).toBeLessThanOrEqual(1);
      }
      const begun = page
        .getByTestId('evaluations')
        .first()
        .filter({ hasText: /^\s*[0-7] / });
      await page.getByText('From a scribble').click();
      await begun.waitFor();
      await drawn(page, [8, 8, 7, 8]);
      // The first image is to be a zero: bright, and empty in the middle of the ring.
      for (const image of await firstPictures(page)) {
        expect(contrast(image)).toBeGreaterThan(150);
        expect(image[14 * 28 + 14]).toBeLessThan(60);
      }
      // A new stroke is followed at once: now the middle is bright.
      await page.getByRole('button', { name: 'Clear' }).click();
      const board = (await page.getByRole('img', { name: 'Your scribble' }).boundingBox())!;
      await page.mouse.move(board.x + board.width / 2, board.y + 0.2 * board.height);
      await page.mouse.down();
      await page.mouse.move(board.x + board.width / 2, board.y + 0.8 * board.height, { steps: 8 });
      await page.mouse.up();
      await begun.waitFor();
      await drawn(page, [8, 8, 7, 8]);
      const scribbled = await firstPictures(page);
      for (const image of scribbled) {
        expect(Math.max(...image.slice(14 * 28 + 11, 14 * 28 + 18))).toBeGreaterThan(150);
      }
      // The drawing is in the address, and the same address draws the same.
      await page.waitForURL(/scribble=[\w-]{262}/);
      await page.reload();
      await drawn(page, [8, 8, 7, 8]);
      expect(await firstPictures(page)).toEqual(scribbled);
    });

    it('shows terms of the bound that add up to it', async () => {
      const page = await load('derivation');
      await page.getByRole('button', { name: 'Train a model' }).click();
      await page.getByRole('button', { name: 'Pause' }).click();
      await page.getByRole('button', { name: 'Train on' }).waitFor();
      const number = async (place: Locator): Promise<number> =>
        Number((await place.textContent())!.replace('−', '-').replace(/ · 10⁻.*/, 'e-8'));
      const value = (id: string): Promise<number> => number(page.getByTestId(`value-${id}`));
      const transitions = await number(page.getByTestId('transitions'));
      const sum = (await value('prior')) + transitions + (await value('reconstruction'));
      expect(sum).toBeCloseTo(await value('bound'), 3);
      await page.locator('.katex').first().waitFor();
      expect(await violations(page)).toEqual([]);
      // On a phone, too, every formula is whole.
      await page.setViewportSize({ width: 390, height: 844 });
      const formulas = page.getByRole('group', { name: 'Formula' });
      const cut = (all: Element[]): boolean[] =>
        all.map(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth);
      expect(await formulas.evaluateAll(cut)).toEqual(new Array(7).fill(false));
    });
  });

  it('trains in the plane until the distance to the data halves, with no task over 50 ms on the main thread, and compares runs', async () => {
    const { page, errors, tasksDuring, close } = await lab.visit('plane?T=25');
    const times = await tasksDuring(async () => {
      await page.keyboard.press('Space');
      await page.waitForFunction(() => {
        const shown = document.querySelector('[data-testid=distance]');
        const noise = /noise ([\d.]+)/.exec(shown?.parentElement?.textContent ?? '')?.[1];
        return noise !== undefined && Number(shown?.textContent) < Number(noise) / 2;
      });
    });
    expect(times.length).toBeGreaterThan(50);
    expect(times[0]).toBeLessThan(50);
    await page.getByText('bound', { exact: true }).click();
    await page.waitForFunction(() => {
      const bounds = [...document.querySelectorAll('[data-testid=bound]')];
      return bounds.length === 2 && bounds.every(({ textContent }) => /\d/.test(textContent ?? ''));
    });
    await page.waitForURL(/loss=bound/);
    // The knob that was turned has the focus, and no use for the key.
    await page.keyboard.press('Space');
    await page.getByRole('button', { name: 'Go on' }).waitFor();
    expect(await violations(page)).toEqual([]);
    const curve = page.getByRole('img', { name: 'Terms of the variational bound by timestep' });
    expect(await curve.getAttribute('aria-label')).toMatch(/: L simple from [\d.]+ to [\d.e-]+; bound from /);

    await page.getByText('score', { exact: true }).click();
    await page.getByText('over the exact one in grey').waitFor();
    await page.getByText('paths', { exact: true }).click();
    await page.getByText('over the exact ones in grey').waitFor();
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save "The probability flow" as PNG' }).click();
    expect((await download).suggestedFilename()).toBe('plane-paths-end.png');
    expect(isPicture(await (await download).path())).toBe(true);
    const scrubber = page.getByRole('slider', { name: 'Time of the reverse process' });
    const end = await scrubber.getAttribute('aria-valuetext');
    await page.locator('h1').click();
    await page.keyboard.press('ArrowLeft');
    expect(end).toBe('x₀');
    expect(await scrubber.getAttribute('aria-valuetext')).toBe('t = 1');
    await page.waitForURL(/back=1/);

    const table = page.getByRole('region', { name: 'Runs' }).locator('tbody tr');
    const before = await table.allTextContents();
    await page.reload();
    await page.getByTestId('bound').nth(1).waitFor();
    expect(await table.allTextContents()).toEqual(before);
    expect(await scrubber.getAttribute('aria-valuetext')).toBe('t = 1');
    const steps = async (): Promise<number> =>
      Number.parseInt((await page.getByTestId('progress').textContent())!.replace(',', ''), 10);
    const stoppedAt = await steps();
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.getByTestId('progress').filter({ hasText: 'a second' }).waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Go on' }).waitFor();
    expect(await steps()).toBeGreaterThan(stoppedAt);
    await forgetAll(page);
    await page.reload();
    await page.getByRole('button', { name: 'Train' }).waitFor();
    expect(await table.count()).toBe(0);
    expect(errors).toEqual([]);
    await close();
  });

  it('shows the flow of the network while it trains, and keeps a run that a reload interrupts', async () => {
    const { page, errors, close } = await lab.visit('plane?T=25&view=paths');
    await page.keyboard.press('Space');
    await page.getByText('over the exact ones in grey').waitFor();
    expect(await page.getByRole('button', { name: 'Pause' }).count()).toBe(1);
    // It is stored before the page hears of the step after.
    await page.getByTestId('bound').filter({ hasText: /\d/ }).waitFor();
    const seen = await page.locator('tbody tr td:nth-child(2)').textContent();
    await page.getByTestId('progress').filter({ hasNotText: seen! }).waitFor();
    await page.reload();
    await page.getByRole('button', { name: 'Go on' }).waitFor();
    const steps = (await page.locator('tbody tr td:nth-child(2)').textContent())!;
    expect(Number(steps)).toBeGreaterThanOrEqual(50);
    expect(errors).toEqual([]);
    await close();
  });

  it('learns data that are drawn by hand; a stroke while it trains starts one run, and forgotten runs stay away', async () => {
    const { page, errors, close } = await lab.visit('plane?T=25&data=drawn', {
      viewport: { width: 1280, height: 1600 },
    });
    const box = (await page.getByRole('img', { name: 'particles of the run' }).boundingBox())!;
    const stroke = async (height: number): Promise<void> => {
      const y = box.y + height * box.height;
      await page.mouse.move(box.x + 0.2 * box.width, y);
      await page.mouse.down();
      await page.mouse.move(box.x + 0.8 * box.width, y, { steps: 20 });
      await page.mouse.up();
    };
    await stroke(0.3);
    await page.getByText('21 points; draw on').waitFor();
    await page.getByRole('button', { name: 'Train' }).click();
    await page.getByTestId('distance').waitFor();
    await stroke(0.7);
    const rows = page.getByRole('region', { name: 'Runs' }).locator('tbody tr');
    await page.getByTestId('bound').nth(1).filter({ hasText: /\d/ }).waitFor();
    expect((await rows.getByRole('button').allTextContents()).filter((text) => text !== '×')).toEqual([
      'drawn, 21 points',
      'drawn, 42 points',
    ]);
    await forgetAll(page);
    await page.reload();
    await page.getByText('42 points; draw on').waitFor();
    expect(await rows.count()).toBe(0);
    expect(errors).toEqual([]);
    await close();
  });

  it('trains on digits until the loss falls below 0.8, goes on after a reload and on other pages, and takes back what it exports', async () => {
    const { page, errors, tasksDuring, close } = await lab.visit('digits?batch=16');
    const train = page.getByRole('button', { name: 'Train' });
    await page.getByTestId('digits-progress').filter({ hasText: '0 of' }).waitFor();
    const times = await tasksDuring(async () => {
      await train.click();
      await page.waitForFunction(
        () => Number(document.querySelector('[data-testid=digits-loss]')?.textContent) < 0.8,
      );
      await page.getByText('step 25', { exact: true }).waitFor();
      await page.getByRole('img', { name: 'Ten digits drawn by the network' }).waitFor();
    });
    expect(times[0]).toBeLessThan(50);
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Go on' }).waitFor();
    const stoppedAt = await page.getByTestId('digits-progress').textContent();
    const loss = await page.getByTestId('digits-loss').textContent();

    await page.reload();
    await page.getByRole('button', { name: 'Go on' }).waitFor();
    expect(await page.getByTestId('digits-progress').textContent()).toBe(stoppedAt);
    expect(await page.getByTestId('digits-loss').textContent()).toBe(loss);
    // It goes on while it is drawn from on another page, which says that it does.
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.getByRole('link', { name: 'Sample', exact: true }).click();
    await page.getByRole('link', { name: /^Digits +\d+ %$/ }).waitFor();
    await page.goto(`${lab.url}#/sample?model=mine&guidance=0&steps=${ONE_STEP}`);
    await page.getByRole('button', { name: 'My digits' }).click();
    await page.getByTestId('model').filter({ hasText: 'Model: my run on digits' }).waitFor();
    await drawn(page, [1, 1, 1, 1]);
    await page.getByRole('link', { name: /^Digits +\d+ %$/ }).click();
    await page.getByTestId('digits-progress').filter({ hasNotText: stoppedAt! }).waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Go on' }).waitFor();

    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Export' }).click();
    const weights = readFileSync(await (await download).path());
    // Bringing others stops a run that is under way.
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.getByRole('button', { name: 'Pause' }).waitFor();
    await page
      .locator('input[type=file]')
      .setInputFiles({ name: 'model.safetensors', mimeType: 'application/octet-stream', buffer: weights });
    await page.getByTestId('digits-progress').filter({ hasText: '0 of' }).waitFor();
    await page.getByRole('img', { name: 'Ten digits drawn by the network' }).waitFor();
    await page.getByRole('button', { name: 'Train' }).waitFor();
    expect(await page.getByRole('alert').count()).toBe(0);
    // They go out again as they came in, and can be sampled from, also in a later visit.
    const again = page.waitForEvent('download', (file) => file.suggestedFilename() === 'model.safetensors');
    await page.getByRole('button', { name: 'Export' }).click();
    expect(readFileSync(await (await again).path())).toEqual(weights);
    await page.goto(`${lab.url}#/sample?steps=${ONE_STEP}`);
    await page.reload();
    await page.getByRole('button', { name: 'My digits' }).click();
    await page.getByTestId('model').filter({ hasText: 'Model: my run on digits' }).waitFor();
    await drawn(page, [1, 1, 1, 1]);
    expect(errors).toEqual([]);
    await close();
  });

  it('works offline after the first visit, on every page, from a folder of any host', async () => {
    const { page, errors, close } = await lab.visit('forward');
    expect(page.url()).toContain('/some/folder/');
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
    await page.evaluate(async () => {
      await navigator.serviceWorker.ready;
      if (!navigator.serviceWorker.controller)
        await new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve));
    });
    await page.context().setOffline(true);
    await page.goto(`${lab.url}#/digits`);
    await page.reload();
    await page.getByTestId('backend').filter({ hasText: 'WebAssembly' }).waitFor();
    await page.getByTestId('digits-progress').filter({ hasText: '0 of' }).waitFor();
    await page.getByRole('link', { name: 'Forward' }).click();
    await page.getByTestId('verdict').filter({ hasText: 'Enough is destroyed' }).waitFor();
    await page.getByRole('link', { name: 'Plane' }).click();
    await page.getByRole('button', { name: 'Train' }).waitFor();
    await page.getByRole('link', { name: 'Derivation' }).click();
    await page.locator('.katex').first().waitFor();
    await page.goto(`${lab.url}#/sample?steps=${ONE_STEP}`);
    await drawn(page, [1, 1, 1, 1]);
    expect(errors).toEqual([]);
    await close();
  });
});

/** Forgets the runs, and waits until that is done: only then they are gone from the page. */
async function forgetAll(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Forget all' }).click();
  await page.getByRole('button', { name: 'Forget', exact: true }).click();
  await page.getByRole('region', { name: 'Runs' }).waitFor({ state: 'detached' });
}

/** What axe finds wrong. */
function violations(page: Page): Promise<string[]> {
  return page.evaluate(`${AXE}; axe.run().then(({ violations }) =>
    violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' ')))`);
}

/** Waits until every sampler has ended, after as many evaluations of the network as given. */
async function drawn(page: Page, evaluations: readonly number[]): Promise<void> {
  await page.waitForFunction((expected) => {
    const counts = [...document.querySelectorAll('[data-testid=evaluations]')];
    return (
      counts.length === expected.length &&
      counts.every(
        ({ textContent }, i) => textContent?.trim() === `${expected[i]} evaluations of the network`,
      )
    );
  }, evaluations);
}

/** The grey levels of the first image that every sampler shows, or of the canvas given. */
function firstPictures(page: Page, canvas = '.samplers h3:first-of-type + div canvas'): Promise<number[][]> {
  return page.evaluate(
    (canvases) =>
      [...document.querySelectorAll<HTMLCanvasElement>(canvases)].map((canvas) =>
        [...canvas.getContext('2d')!.getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 === 0),
      ),
    canvas,
  );
}

/** From the darkest to the brightest. */
function contrast(image: readonly number[]): number {
  return Math.max(...image) - Math.min(...image);
}

function isPicture(path: string): boolean {
  const bytes = readFileSync(path);
  return bytes.length > 10_000 && bytes.subarray(1, 4).toString() === 'PNG';
}
