import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Plugin } from 'vite';

/**
 * Writes `sw.js`: the pages, the data and the checkpoint are stored when the site is first visited, so that everything
 * works offline from then on. A new build has a new version, and the old store is thrown away.
 */
export function serviceWorker(): Plugin {
  let outDir = '';
  return {
    name: 'service-worker',
    apply: 'build',
    configResolved(config) {
      outDir = config.build.outDir;
    },
    // Only a build that succeeded writes its bundle; one that failed is closed as well, and an error there hides its own.
    writeBundle() {
      const files = filesIn(outDir).filter((file) => file !== 'sw.js');
      const version = createHash('sha256');
      for (const file of files) version.update(file).update(readFileSync(join(outDir, file)));
      const isData = (file: string): boolean => file.startsWith('data/') || file.startsWith('checkpoint/');
      const lists = {
        version: version.digest('hex').slice(0, 16),
        pages: ['./', ...files.filter((file) => !isData(file) && file !== 'index.html')],
        data: files.filter(isData),
      };
      const source = readFileSync(new URL('./sw.js', import.meta.url), 'utf8');
      writeFileSync(join(outDir, 'sw.js'), source.replace('__LISTS__', JSON.stringify(lists)));
    },
  };
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .toSorted();
}
