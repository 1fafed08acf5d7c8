const { version, pages, data } = __LISTS__;
const name = `lab-${version}`;
/** Asked of the host, since the browser may hold a page of the build before. */
const fresh = (file) => new Request(file, { cache: 'no-cache' });

// A new build waits until no page of the one before is open, which still needs its own files.
addEventListener('install', (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(name);
      await cache.addAll(pages.map(fresh));
      // What of the data does not come now is stored when somebody asks for it.
      await Promise.allSettled(data.map((file) => cache.add(fresh(file))));
    })(),
  );
});

addEventListener('activate', (event) => {
  event.waitUntil(
    (async () => {
      for (const key of await caches.keys())
        if (key.startsWith('lab-') && key !== name) await caches.delete(key);
      await clients.claim();
    })(),
  );
});

addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET' || new URL(request.url).origin !== location.origin) return;
  event.respondWith(
    (async () => {
      const cache = await caches.open(name);
      const stored = await cache.match(request, { ignoreSearch: true, ignoreVary: true });
      if (stored) return stored;
      const response = await fetch(request);
      if (response.ok) await cache.put(request, response.clone());
      return response;
    })(),
  );
});
