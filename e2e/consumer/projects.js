import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expectLine, plain, serving } from './browser.js';

const html = (script) => `<!doctype html><script type="module" src="${script}"></script>`;
const typescript = '5.9.3';

/** A package as the project itself would import it. */
const from = (cwd, name) => import(pathToFileURL(createRequire(join(cwd, 'package.json')).resolve(name)));

/** Each: what it installs beside the packages, its files from the README's example, and what must work. */
export const PROJECTS = [
  {
    name: 'Next',
    dependencies: {
      next: '16.4.6',
      react: '19.2.0',
      'react-dom': '19.2.0',
      typescript,
      '@types/react': '19.2.2',
      '@types/node': '20.19.43',
    },
    files: (example) => ({
      'example.ts': example,
      'app/layout.jsx': 'export default ({ children }) => <html><body>{children}</body></html>;',
      'app/page.jsx': `'use client';
        import { useEffect } from 'react';
        export default function Page() {
          useEffect(() => void import('../example'), []);
          return null;
        }`,
    }),
    async check({ cwd, env, run, browser, expected }) {
      await run('npx', 'next', 'build');
      const server = spawn(process.execPath, ['node_modules/next/dist/bin/next', 'start', '-p', '0'], {
        cwd,
        env,
      });
      try {
        const url = await new Promise((resolve, reject) => {
          let said = '';
          server.stdout.on('data', (text) => {
            said += text;
            const local = /http:\/\/localhost:(\d+)/.exec(said);
            if (local && /Ready/.test(said)) resolve(`http://127.0.0.1:${local[1]}/`);
          });
          server.on('exit', (code) => reject(new Error(`next start ended with ${code}\n${said}`)));
        });
        await expectLine(browser, url, expected);
      } finally {
        server.kill();
      }
    },
  },
  {
    name: 'Vite, dev and build',
    dependencies: { vite: '8.3.8' },
    files: (example) => ({ 'example.ts': example, 'index.html': html('/example.ts') }),
    async check({ cwd, run, browser, expected }) {
      const { createServer } = await from(cwd, 'vite');
      const server = await createServer({
        root: cwd,
        logLevel: 'error',
        server: { host: '127.0.0.1', port: 0 },
      });
      await server.listen();
      try {
        await expectLine(browser, `http://127.0.0.1:${server.httpServer.address().port}/`, expected);
      } finally {
        await server.close();
      }
      await run('npx', 'vite', 'build', '--logLevel', 'error');
      await serving(join(cwd, 'dist'), (url) => expectLine(browser, url, expected));
    },
  },
  {
    name: 'webpack',
    dependencies: { webpack: '5.101.3', 'webpack-cli': '6.0.1', 'ts-loader': '9.5.4', typescript },
    files: (example) => ({
      'example.ts': example,
      'tsconfig.json':
        '{ "compilerOptions": { "target": "ES2022", "module": "ESNext", "moduleResolution": "bundler" } }',
      'dist/index.html': html('main.js'),
      'webpack.config.js': `export default {
        mode: 'production',
        entry: './example.ts',
        module: { rules: [{ test: /\\.ts$/, loader: 'ts-loader', options: { transpileOnly: true } }] },
      };`,
    }),
    async check({ cwd, run, browser, expected }) {
      await run('npx', 'webpack');
      await serving(join(cwd, 'dist'), (url) => expectLine(browser, url, expected));
    },
  },
  {
    name: 'Node, npm, strict TypeScript',
    dependencies: { typescript, '@types/node': '20.19.43' },
    files: (example) => ({
      'example.ts': example,
      'tsconfig.json': JSON.stringify({
        compilerOptions: {
          strict: true,
          exactOptionalPropertyTypes: true,
          noUncheckedIndexedAccess: true,
          target: 'ES2022',
          module: 'NodeNext',
          types: ['node'],
          // As the README says, because of tfjs's own types.
          skipLibCheck: true,
        },
      }),
    }),
    async check({ run, expected }) {
      await run('npx', 'tsc');
      const { stdout } = await run('node', 'example.js');
      if (plain(stdout) !== expected) throw new Error(`printed ${stdout}, expected ${expected}`);
    },
  },
];
