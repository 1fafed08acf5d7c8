// Visits the five pages of the lab as somebody with a mouse does, in whatever browser this is.

const PATIENCE_MS = 90_000;
const SAMPLERS = { ancestral: 2, ddim: 2, heun: 3, 'dpm-solver++': 2 };

const storesNothing = location.search === '?stores=nothing';

/** What went wrong in the lab: `watch.js` writes it down. */
window.errors = [];
const frame = document.querySelector('iframe');

/** Looks again and again until there is something to see. */
async function until(what, look) {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const seen = look();
    if (seen) return seen;
    if (performance.now() > end) throw new Error(`waited in vain for ${what}; the page says: ${alerts()}`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

const all = (selector) => [...frame.contentDocument.querySelectorAll(selector)];
const said = (id) => all(`[data-testid=${id}]`)[0]?.textContent.trim() ?? '';
const alerts = () =>
  all('[role=alert]')
    .map(({ textContent }) => textContent.trim())
    .join(' ') || 'nothing';
const button = (name) =>
  all('button').find(({ textContent, disabled }) => !disabled && textContent.trim() === name);
const press = async (name) => (await until(`the button ${name}`, () => button(name))).click();
const check = (holds, what) => {
  if (!holds) throw new Error(what);
};
/** A number as the lab writes it. */
const number = (text) =>
  Number(
    text.replace('−', '-').replace(
      / · 10(.*)/,
      (_, power) =>
        `e${[...power]
          .map((c) => '⁰¹²³⁴⁵⁶⁷⁸⁹⁻'.indexOf(c))
          .map((d) => (d === 10 ? '-' : d))
          .join('')}`,
    ),
  );

let visits = 0;
async function visit(hash) {
  visits += 1;
  // Another address before the hash, or nothing would be loaded anew.
  frame.src = `lab/?${visits}#/${hash}`;
  await new Promise((resolve) => frame.addEventListener('load', resolve, { once: true }));
  await until('WebAssembly', () => said('backend').includes('WebAssembly') && all('h1').length === 1);
}

/** The grey levels of the first picture of each sampler. */
function pixels() {
  return all('.samplers h3:first-of-type + div canvas').map((canvas) =>
    [...canvas.getContext('2d').getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 === 0),
  );
}

async function forward() {
  await visit('forward');
  await until('the verdict', () => said('verdict').includes('Enough is destroyed'));
  await until('three curves', () => all('.plots canvas').length === 3);
}

/** What is returned is told: the bound at the first look, which is after fifty steps wherever it is. */
async function plane() {
  await visit('plane?T=25');
  await press('Train');
  await until('the bound', () => /\d/.test(said('bound')));
  const bound = said('bound');
  await press('Pause');
  await press('Go on');
  await press('Pause');
  await until('the run that is paused', () => button('Go on'));
  if (storesNothing) {
    check(
      alerts().includes('This browser does not store the run'),
      `it does not say that it stores nothing: ${alerts()}`,
    );
    return { bound };
  }
  const stoppedAt = said('progress');
  await visit('plane?T=25');
  await until('the run that was stored', () => button('Go on'));
  check(said('progress') === stoppedAt, `stored were ${said('progress')}, not ${stoppedAt}`);
  return { bound };
}

async function digits() {
  await visit('digits?batch=16');
  await press('Train');
  await until('fifty steps', () => Number.parseInt(said('digits-progress'), 10) >= 50);
  await press('Pause');
  await until('the run that is paused', () => button('Go on'));
  check(Number(said('digits-loss')) < 1, `the loss is ${said('digits-loss')} after fifty steps`);
  await until('digits', () => all('[aria-label="Ten digits drawn by the network"] canvas').length === 1);
}

async function sample() {
  const steps = Object.keys(SAMPLERS).map((sampler) => `${sampler}:2`);
  await visit(`sample?steps=${encodeURIComponent(steps.join())}`);
  const expected = Object.values(SAMPLERS).map((count) => `${count} evaluations of the network`);
  await until('all samplers', () => {
    const counts = all('[data-testid=evaluations]').map(({ textContent }) => textContent.trim());
    return counts.length === 4 && counts.every((count, i) => count === expected[i]);
  });
  const pictures = pixels();
  for (const picture of pictures)
    check(Math.max(...picture) - Math.min(...picture) > 100, 'a picture is flat');
  return { pixels: pictures.flat() };
}

async function derivation() {
  await visit('derivation');
  if (storesNothing) await press('Train a model to see the values');
  await until('the values of a run', () => /\d/.test(said('value-bound')));
  await until('formulas', () => all('.katex').length > 5);
  if (storesNothing) {
    await press('Pause');
    await until('the run that is paused', () => button('Train on'));
  }
  const sum = ['value-prior', 'transitions', 'value-reconstruction'].reduce(
    (total, id) => total + number(said(id)),
    0,
  );
  check(
    Math.abs(sum - number(said('value-bound'))) < 1e-3,
    `the terms are ${sum}, not ${said('value-bound')}`,
  );
}

const report = {};
let page = '';
try {
  for (const look of [forward, plane, digits, sample, derivation]) {
    page = look.name;
    Object.assign(report, await look());
  }
  check(window.errors.length === 0, 'its console is not empty');
} catch (error) {
  report.failure = [`${page}: ${error.message}`, ...window.errors].join('; ');
}
await fetch('report', { method: 'POST', body: JSON.stringify(report) });
