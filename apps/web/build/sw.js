const { version, pages, data } = __LISTS__;
const name = `lab-${version}`;

addEventListener('install', (event) => {
  event.waitUntil(
    (async () => {
      await (await caches.open(name)).addAll(pages);
      await skipWaiting();
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
  // Not waited for: the site works without.
  caches
    .open(name)
    .then((cache) => cache.addAll(data))
    .catch(() => {});
});

addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET' || new URL(request.url).origin !== location.origin) return;
  event.respondWith(
    (async () => {
      const cache = await caches.open(name);
      return (await cache.match(request, { ignoreSearch: true, ignoreVary: true })) ?? fetch(request);
    })(),
  );
});
