import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasBrowser, type Lab, openLab } from './lab.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const FIRST_LOAD_KB = 400;

describe.skipIf(!hasBrowser)('the lab in Chromium', { timeout: 150_000 }, () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await openLab();
  });
  afterAll(() => lab?.close());

  it(`loads in less than ${FIRST_LOAD_KB} kB before data and checkpoint`, async () => {
    const visit = await lab.visit('', { serviceWorkers: 'block' });
    const files = await visit.page.evaluate(() =>
      performance.getEntriesByType('resource').map(({ name }) => name),
    );
    const worker = visit.page.workers()[0]!;
    const inWorker = await worker.evaluate(() =>
      performance.getEntriesByType('resource').map(({ name }) => name),
    );
    let bytes = 0;
    for (const file of new Set([lab.url, ...files, worker.url(), ...inWorker])) {
      if (/\/(data|checkpoint)\//.test(file)) continue;
      const body = await (await visit.page.request.get(file)).body();
      bytes += file.endsWith('.woff2') ? body.length : gzipSync(body, { level: 9 }).length;
    }
    await visit.close();
    expect(bytes / 1000).toBeLessThan(FIRST_LOAD_KB);
    expect(bytes / 1000).toBeGreaterThan(200);
  });

  for (const name of ['forward', 'plane', 'digits', 'sample', 'derivation']) {
    it(`has no violation for axe and no error on the page ${name}, light and dark`, async () => {
      const visit = await lab.visit(name, { colorScheme: 'light' });
      await visit.page.waitForLoadState('networkidle');
      for (const colorScheme of ['light', 'dark'] as const) {
        await visit.page.emulateMedia({ colorScheme });
        const violations = await visit.page.evaluate(`${AXE}; axe.run().then(({ violations }) =>
          violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' ')))`);
        expect(violations).toEqual([]);
      }
      await visit.page.setViewportSize({ width: 390, height: 844 });
      expect(await visit.page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
      expect(visit.errors).toEqual([]);
      await visit.close();
    });
  }

  it('says that a schedule which destroys too little does, and lets one be drawn by the keyboard', async () => {
    const { page, errors, close } = await lab.visit('forward?schedule=linear&T=100');
    await page.getByTestId('verdict').filter({ hasText: 'Enough is destroyed' }).waitFor();
    // A handle goes no further than its neighbour, so the last but one first.
    for (const handle of [6, 7]) {
      const slider = page.getByRole('slider', { name: `ln SNR of the schedule, handle ${handle} of 7` });
      for (let press = 0; press < 4; press++) await slider.press('PageUp');
    }
    await page.getByTestId('verdict').filter({ hasText: 'Too little is destroyed' }).waitFor();
    expect(page.url()).toContain('schedule=drawn');
    expect(Number(await page.getByTestId('prior').textContent())).toBeGreaterThan(1e-3);
    expect(errors).toEqual([]);
    await close();
  });

  it('has no task over 50 ms on the main thread while it trains', async () => {
    const visit = await lab.visit('plane?T=50');
    const times = await visit.tasksDuring(async () => {
      await visit.page.keyboard.press('Space');
      await visit.page
        .getByTestId('progress')
        .filter({ hasText: /[2-9]\d\d steps/ })
        .waitFor();
    });
    await visit.close();
    expect(times.length).toBeGreaterThan(50);
    expect(times[0]).toBeLessThan(50);
  });

  it('trains in the plane until the distance to the data halves, and compares runs', async () => {
    const { page, errors, close } = await lab.visit('plane?T=50');
    await page.keyboard.press('Space');
    await page.waitForFunction(() => {
      const shown = document.querySelector('[data-testid=distance]');
      const noise = /noise ([\d.]+)/.exec(shown?.parentElement?.textContent ?? '')?.[1];
      return noise !== undefined && Number(shown?.textContent) < Number(noise) / 2;
    });
    await page.getByText('bound', { exact: true }).click();
    await page.waitForFunction(() => {
      const bounds = [...document.querySelectorAll('[data-testid=bound]')];
      return bounds.length === 2 && bounds.every(({ textContent }) => Number.isFinite(Number(textContent)));
    });
    expect(page.url()).toContain('loss=bound');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Go on' }).waitFor();

    await page.getByText('score', { exact: true }).click();
    await page.getByText('over the exact one in grey').waitFor();
    await page.getByText('paths', { exact: true }).click();
    await page.getByText('over the exact ones in grey').waitFor();
    const scrubber = page.getByRole('slider', { name: 'Time of the reverse process' });
    const end = await scrubber.getAttribute('aria-valuetext');
    await page.locator('h1').click();
    await page.keyboard.press('ArrowLeft');
    expect(end).toBe('x₀');
    expect(await scrubber.getAttribute('aria-valuetext')).toBe('t = 0');
    expect(errors).toEqual([]);
    await close();
  });

  it('trains on digits until the loss falls below 0.7, goes on after a reload, and takes back what it exports', async () => {
    const { page, errors, tasksDuring, close } = await lab.visit('digits?batch=16');
    const train = page.getByRole('button', { name: 'Train' });
    await page.getByTestId('digits-progress').filter({ hasText: '0 of' }).waitFor();
    const times = await tasksDuring(async () => {
      await train.click();
      await page.waitForFunction(
        () => Number(document.querySelector('[data-testid=digits-loss]')?.textContent) < 0.7,
      );
    });
    expect(times[0]).toBeLessThan(50);
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Go on' }).waitFor();
    const stoppedAt = await page.getByTestId('digits-progress').textContent();

    await page.reload();
    await page.getByRole('button', { name: 'Go on' }).waitFor();
    expect(await page.getByTestId('digits-progress').textContent()).toBe(stoppedAt);
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.waitForFunction(
      (before) => document.querySelector('[data-testid=digits-progress]')?.textContent !== before,
      stoppedAt,
    );
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Go on' }).waitFor();

    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Export' }).click();
    const weights = readFileSync(await (await download).path());
    await page
      .locator('input[type=file]')
      .setInputFiles({ name: 'model.safetensors', mimeType: 'application/octet-stream', buffer: weights });
    await page.getByTestId('digits-progress').filter({ hasText: '0 of' }).waitFor();
    await page.getByRole('img', { name: 'Ten digits drawn by the network' }).waitFor();
    expect(errors).toEqual([]);
    await close();
  });

  it('samples with every sampler of the package, goes on from a step, and refuses a corrupt checkpoint by name', async () => {
    const { page, errors, close } = await lab.visit('sample');
    const evaluations = page.getByTestId('evaluations');
    await page.waitForFunction(() => {
      const counts = [...document.querySelectorAll('[data-testid=evaluations]')];
      return counts.length >= 2 && counts.every(({ textContent }) => textContent?.includes('25 evaluations'));
    });
    const names = await page.locator('figure h2').allTextContents();
    expect(names).toEqual(expect.arrayContaining(['ancestral', 'ddim']));

    await page.locator('h1').click();
    for (let press = 0; press < 5; press++) await page.keyboard.press('ArrowLeft');
    const again = page.getByRole('button', { name: 'Re-run from here' }).first();
    await again.click();
    await page.waitForFunction(
      () =>
        document.querySelector('[data-testid=evaluations]')?.textContent?.trim() ===
        '25 evaluations of the network',
    );
    expect(await evaluations.count()).toBe(names.length);

    const good = readFileSync(new URL('../public/checkpoint/model.safetensors', import.meta.url));
    await page.locator('input[type=file]').setInputFiles([
      { name: 'cut.safetensors', mimeType: 'application/octet-stream', buffer: good.subarray(0, 5000) },
      {
        name: 'config.json',
        mimeType: 'application/json',
        buffer: readFileSync(new URL('../public/checkpoint/config.json', import.meta.url)),
      },
    ]);
    await page.getByRole('alert').waitFor();
    expect(await page.getByRole('alert').textContent()).toMatch(/bytes/);
    expect(await page.getByTestId('model').textContent()).toContain('the shipped model');
    expect(errors).toEqual([]);
    await close();
  });

  it('inpaints from what is known and draws from a scribble', async () => {
    const { page, errors, close } = await lab.visit('sample?mode=inpaint');
    const drawn = () =>
      page.waitForFunction(() => {
        const counts = [...document.querySelectorAll('[data-testid=evaluations]')];
        return (
          counts.length >= 2 &&
          counts.every(({ textContent }) =>
            /^\s*[1-9]\d* evaluations of the network\s*$/.test(textContent ?? ''),
          )
        );
      });
    await drawn();
    /** The upper half of the first result of each sampler: what the mask does not cover. */
    const upper = await page.evaluate(() =>
      [...document.querySelectorAll('.pair > div:first-child canvas')].map((canvas) =>
        [...(canvas as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, 28, 13).data].filter(
          (_, i) => i % 4 === 0,
        ),
      ),
    );
    const known = await page.evaluate(() => {
      const canvas = document.querySelector('.drawing canvas') as HTMLCanvasElement;
      return [...canvas.getContext('2d')!.getImageData(0, 0, 28, 13).data].filter((_, i) => i % 4 === 0);
    });
    for (const image of upper) {
      const worst = Math.max(...image.map((value, i) => Math.abs(value - known[i]!)));
      expect(worst).toBeLessThan(40);
    }
    await page.getByText('From a scribble').click();
    await page.getByRole('button', { name: 'Generate' }).click();
    await drawn();
    expect(errors).toEqual([]);
    await close();
  });

  it('shows terms of the bound that add up to it', async () => {
    const { page, errors, close } = await lab.visit('derivation');
    await page.getByRole('button', { name: 'Train a model' }).click();
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Train on' }).waitFor();
    const value = async (id: string): Promise<number> =>
      Number((await page.getByTestId(`value-${id}`).textContent())!.replace(/ · 10.*/, 'e-8'));
    const transitions = Number(await page.locator('.time strong').textContent());
    const sum = (await value('prior')) + transitions + (await value('reconstruction'));
    expect(sum).toBeCloseTo(await value('bound'), 3);
    await page.locator('.katex').first().waitFor();
    expect(errors).toEqual([]);
    await close();
  });

  it('works offline after the first visit', async () => {
    const { page, close } = await lab.visit('forward');
    await page.evaluate(async () => {
      await navigator.serviceWorker.ready;
      if (!navigator.serviceWorker.controller)
        await new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve));
    });
    await page.context().setOffline(true);
    await page.goto(`${lab.url}#/plane`);
    await page.reload();
    await page.getByTestId('backend').filter({ hasText: 'WebAssembly' }).waitFor();
    await page.getByRole('heading', { name: 'Train a diffusion model in the plane' }).waitFor();
    await close();
  });
});
