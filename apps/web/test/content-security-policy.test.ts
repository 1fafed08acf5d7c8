import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

it('the built page allows no inline code, no eval and no other host, before anything else is read', () => {
  const html = readFileSync(new URL('../dist/index.html', import.meta.url), 'utf8');
  const [, content] = /<meta http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html)!;
  const policy = content!.replaceAll('&#39;', "'");
  const sources = policy.split('; ').flatMap((directive) => directive.split(' ').slice(1));
  expect(policy).toContain("default-src 'none'");
  expect(new Set(sources)).toEqual(new Set(["'none'", "'self'", "'wasm-unsafe-eval'", 'data:', 'blob:']));
  expect(html.indexOf('Content-Security-Policy')).toBeLessThan(html.search(/<(?:script|link)/));
  expect(html).not.toMatch(/<script(?![^>]*src=)|<style|style=| on\w+=/);
});
