// Shows what the server pushes while no page is open, and opens where it leads. Nothing else: pages
// are never served from here.

self.addEventListener('push', (event) => {
  const message = read(event.data);
  const shown = self.registration.showNotification(message.title, {
    body: message.message,
    tag: message.tag,
    lang: 'fr',
    icon: '/favicon.svg',
    data: { url: message.url },
  });
  event.waitUntil(shown);
});

self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data?.url));
});

/** A browser takes the right to push from who shows nothing: something is always shown. */
function read(data) {
  const nothing = { title: 'CommuniConnect', message: 'Vous avez une nouvelle notification' };
  try {
    return { ...nothing, ...data.json() };
  } catch {
    return nothing;
  }
}

async function open(path) {
  const url = new URL(path ?? '/', self.location.origin);
  if (url.origin !== self.location.origin) return;
  const pages = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  const there = pages.find((page) => page.url === url.href);
  await (there ? there.focus() : self.clients.openWindow(url.href));
}
