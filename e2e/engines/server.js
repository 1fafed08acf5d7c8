import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { json } from 'node:stream/consumers';

const DIST = join(import.meta.dirname, '../../apps/web/dist');
const OWN = ['drive.html', 'drive.js', 'watch.js'];
const TYPES = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
};

/** The file at a path of the site: the lab lies in /lab/, and tells whoever holds it in a frame of its errors. */
async function fileAt(path) {
  if (OWN.includes(path)) return readFile(join(import.meta.dirname, path));
  if (!path.startsWith('lab/')) return undefined;
  const file = path.slice('lab/'.length) || 'index.html';
  const body = await readFile(join(DIST, file)).catch(() => undefined);
  // After the policy, which allows it, and before all else.
  return file === 'index.html'
    ? `${body}`.replace('<meta charset', '<script src="/watch.js"></script><meta charset')
    : body;
}

/** Serves the lab and the page that drives it; what that posts is a report. */
export async function serveLab() {
  let tell = () => {};
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://x').pathname).slice(1);
    if (request.method === 'POST') {
      tell(await json(request));
      response.end();
      return;
    }
    const body = await fileAt(path);
    const type = TYPES[extname(path)] ?? (path.endsWith('/') ? 'text/html' : 'application/octet-stream');
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': type }).end(body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    nextReport: () =>
      new Promise((resolve) => {
        tell = resolve;
      }),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
