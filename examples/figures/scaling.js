// The figure of docs/scaling.md: how much of its speed each host keeps, the more there are, by the cost model there.
// `node examples/figures/scaling.js` writes it beside this file, and prints the numbers.
import { writeFileSync } from 'node:fs';

/** Seconds and bytes of the reference U-Net on one host of sixteen cores, as measured for docs/scaling.md. */
const STEP = { fixed: 0.38, perImage: 0.0051 };
const BYTES = 4 * 3_939_393;
/** Seconds until a message has got from one host to another. */
const LATENCY = 0.17e-3;
const GIGABIT = 1e9 / 8;

const compute = (images) => STEP.fixed + STEP.perImage * images;
/** All-reduce over hosts, in seconds: each sends 2(N − 1)/N of the bytes, in 2(N − 1) messages. */
const ring = (hosts, bytesPerSecond, bytes = BYTES) =>
  2 * (hosts - 1) * (LATENCY + bytes / hosts / bytesPerSecond);
/** Up a binary tree and down again: all the bytes at each of its levels. */
const tree = (hosts, bytesPerSecond, bytes = BYTES) =>
  2 * Math.ceil(Math.log2(hosts)) * (LATENCY + bytes / bytesPerSecond);

const HOSTS = [1, 2, 4, 8, 16, 32, 64];
const RATES = { 100: '#0f8a7d', 10: '#3564c9', 1: '#c0392b' };

/** Each with what its hosts have of `hosts` times the speed of one, by how long all-reduce takes. */
const PANELS = {
  '64 images on each host': (_, reduce) => compute(64) / (compute(64) + reduce),
  '1024 images over all hosts': (hosts, reduce) => compute(1024) / hosts / (compute(1024 / hosts) + reduce),
};

const PANEL = { width: 300, height: 260, left: 52, top: 40, gap: 60 };
const xOf = (hosts) => (PANEL.width * Math.log2(hosts)) / 6;
const yOf = (part) => PANEL.height * (1 - part);
const text = (x, y, content, more = '') =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${content}</text>`;

function panel(title, part, index) {
  const grid = [
    ...HOSTS.flatMap((hosts) => [
      `<path class="grid" d="M${xOf(hosts).toFixed(1)} 0V${PANEL.height}"/>`,
      text(xOf(hosts), PANEL.height + 16, hosts, 'text-anchor="middle"'),
    ]),
    ...[0, 0.25, 0.5, 0.75, 1].flatMap((y) => [
      `<path class="grid" d="M0 ${yOf(y).toFixed(1)}H${PANEL.width}"/>`,
      text(-7, yOf(y) + 4, `${100 * y} %`, 'text-anchor="end"'),
    ]),
  ];
  const lines = Object.entries(RATES).flatMap(([gigabits, colour]) =>
    Object.entries({ ring, tree }).map(([how, reduce]) => {
      const parts = HOSTS.map((hosts) => part(hosts, reduce(hosts, gigabits * GIGABIT)));
      console.log(`${title}, ${gigabits} Gbit/s, ${how}: ${parts.map((y) => y.toFixed(2)).join(' ')}`);
      const path = parts.map((y, i) => `${xOf(HOSTS[i]).toFixed(1)} ${yOf(y).toFixed(1)}`).join('L');
      return `<path class="curve ${how}" stroke="${colour}" d="M${path}"/>`;
    }),
  );
  const left = PANEL.left + index * (PANEL.width + PANEL.gap);
  return `<g transform="translate(${left} ${PANEL.top})">${text(0, -16, title, 'class="title"')}${grid.join('')}${lines.join('')}${text(PANEL.width / 2, PANEL.height + 36, 'hosts', 'text-anchor="middle"')}</g>`;
}

const legend = Object.entries(RATES).map(([gigabits, colour], i) =>
  text(0, 18 * i, `${gigabits} Gbit/s`, `fill="${colour}"`),
);

for (const [name, bytes] of Object.entries({ float32: BYTES, float16: BYTES / 2 })) {
  const seconds = [1, 10].map((gigabits) => ring(64, gigabits * GIGABIT, bytes));
  console.log(
    `${name} on the wire, 64 hosts, 1 and 10 Gbit/s: ${seconds.map((s) => s.toFixed(3)).join(', ')} s`,
  );
}
const width = PANEL.left + 2 * (PANEL.width + PANEL.gap) + 30;
const height = PANEL.top + PANEL.height + 50;
const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="11" fill="#333">
<title>Efficiency of up to 64 hosts at 1, 10 and 100 Gbit/s: rings (solid) and trees (dashed)</title>
<style>.grid{stroke:#8883;fill:none}.curve{fill:none;stroke-width:1.8}.tree{stroke-dasharray:4 3;stroke-opacity:.7}.title{font-size:13px;font-weight:600}</style>
<rect width="${width}" height="${height}" fill="#fff"/>
${Object.entries(PANELS)
  .map(([title, part], i) => panel(title, part, i))
  .join('\n')}
<g transform="translate(${PANEL.left + 2 * PANEL.width + PANEL.gap + 12} ${PANEL.top + 14})">${legend.join('')}</g>
</svg>
`;
writeFileSync(new URL('./scaling.svg', import.meta.url), svg);
