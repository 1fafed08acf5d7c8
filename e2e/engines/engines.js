import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const MINI_BROWSER = '/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser';

/** Each: where Debian's packages put it, how it opens a page with a profile of its own, and whether it stores runs. */
export const ENGINES = [
  {
    name: 'Chromium',
    needs: ['/usr/bin/chromium'],
    start({ run, profile, url }) {
      run('/usr/bin/chromium', [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-dev-shm-usage',
        '--remote-debugging-port=0',
        `--user-data-dir=${profile}`,
        url,
      ]);
    },
  },
  {
    name: 'Firefox',
    needs: ['/usr/bin/firefox-esr'],
    start({ run, profile, url }) {
      // A fresh profile would greet, and ask for what there is nobody to grant.
      const settings = {
        'browser.aboutwelcome.enabled': false,
        'browser.shell.checkDefaultBrowser': false,
        'datareporting.policy.dataSubmissionEnabled': false,
        'app.update.enabled': false,
      };
      const lines = Object.entries(settings).map(([key, value]) => `user_pref("${key}", ${value});\n`);
      writeFileSync(join(profile, 'user.js'), lines.join(''));
      run('/usr/bin/firefox-esr', ['--headless', '--no-remote', '--profile', profile, url]);
    },
  },
  {
    // Its private file system is switched off, and where it is switched on it cannot make the handles that Safari makes
    // (SharedFileHandle is Cocoa's alone): here it is seen that a browser which stores nothing says so.
    name: 'WebKit',
    storesNothing: true,
    needs: [MINI_BROWSER, '/usr/bin/Xvfb'],
    async start({ run, url }) {
      const display = run('/usr/bin/Xvfb', ['-displayfd', '3', '-nolisten', 'tcp'], {
        stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
      });
      const [number] = await once(display.stdio[3], 'data');
      run(MINI_BROWSER, [url], { env: { DISPLAY: `:${number.toString().trim()}` } });
    },
  },
];
