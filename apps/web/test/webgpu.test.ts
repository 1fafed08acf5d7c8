import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasBrowser, type Lab, openLab, SOFTWARE_WEBGPU } from './lab.js';

describe.skipIf(!hasBrowser)('the lab on WebGPU, computed by SwiftShader', { timeout: 250_000 }, () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await openLab(SOFTWARE_WEBGPU);
  });
  afterAll(() => lab?.close());

  it('gives the numbers of WebAssembly, says so, and trains in the plane', async (context) => {
    const { page, errors, close } = await lab.visit('plane?T=25');
    const adapter = await page.evaluate(async () => {
      const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<unknown> } };
      return (await gpu?.requestAdapter()) ? 'there' : 'absent';
    });
    if (adapter === 'absent') {
      await close();
      context.skip('this browser has no WebGPU adapter');
    }
    await page.getByRole('button', { name: 'Use WebGPU' }).click();
    await page
      .getByTestId('backend-note')
      .filter({ hasText: /^WebGPU is in use: its numbers agree with WebAssembly's to \de-[4-9]\.$/ })
      .waitFor();
    expect(await page.getByTestId('backend').textContent()).toContain('WebGPU');

    await page.locator('h1').click();
    await page.keyboard.press('Space');
    const loss = page.getByTestId('loss');
    await loss.waitFor({ timeout: 200_000 });
    const first = Number(await loss.textContent());
    await page.waitForFunction(
      (before) => Number(document.querySelector('[data-testid=loss]')?.textContent) < 0.95 * before,
      first,
      { timeout: 200_000 },
    );
    expect(errors).toEqual([]);
    await close();
  });
});
