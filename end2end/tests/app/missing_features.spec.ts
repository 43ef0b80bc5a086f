// A browser that lacks a required feature says which one, and what to do.

import { expect, test } from '../../support/fixtures.ts';

test('over plain http from another machine the page asks for https', async ({ people, baseURL }) => {
  const visitor = await people.visitor();
  // Chromium logs to the console that it ignores headers that need a secure context.
  visitor.console.allow(/Cross-Origin-Opener-Policy/);
  await visitor.page.goto(`http://kez.test:${new URL(baseURL!).port}/messages`);
  await expect(visitor.page.getByRole('alert')).toContainText('needs https (or localhost)');
});

for (const [feature, where, words] of [
  ['WebAssembly', 'window', 'WebAssembly'],
  ['indexedDB', 'window', 'IndexedDB'],
  ['locks', 'Navigator.prototype', 'Web Locks'],
  ['subtle', 'Crypto.prototype', 'Web Cryptography'],
  ['BroadcastChannel', 'window', 'workers'],
] as const) {
  test(`a browser without ${words} gets an error message`, async ({ people }) => {
    const visitor = await people.visitor();
    // Only on this page: the storage is read from another page at the end, which needs the feature.
    const without = `Object.defineProperty(${where}, '${feature}', { value: undefined })`;
    await visitor.context.addInitScript(`if (location.pathname === '/messages') ${without}`);
    await visitor.page.goto('/messages');
    await expect(visitor.page.getByRole('alert')).toContainText(`KEZ Chat needs ${words}`);
  });
}
