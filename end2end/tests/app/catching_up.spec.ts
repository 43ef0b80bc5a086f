// Thousands of messages are waiting.

import { expect, test } from '../../support/fixtures.ts';

test('a long catch-up shows its progress', async ({ people }) => {
  test.setTimeout(180_000);
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  await peer.say(alice.handle, 'the first');
  await alice.accept(peer.handle);
  await alice.page.goto('about:blank');
  const primary = await peer.primaryOf(alice.handle);
  let next = 0;
  await Promise.all(Array.from({ length: 16 }, async () => {
    while (next < 1_500) await peer.deliver(alice.handle, peer.seal(primary, `message ${next++}`));
  }));

  // The bar may disappear before the test can look, so the page records every text that it shows.
  await alice.page.addInitScript(() => {
    const shown = new Set<string>();
    Object.assign(globalThis, { shown });
    new MutationObserver(() => {
      const bar = document.querySelector('progress');
      if (bar) shown.add(`${bar.labels[0]?.textContent}: ${bar.nextElementSibling?.textContent}`);
    }).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  });
  await alice.page.goto('/messages');
  await expect(alice.row(peer.handle).getByText('1501 unread')).toHaveCount(1, { timeout: 120_000 });
  await expect(alice.page.getByRole('progressbar')).toHaveCount(0);
  const shown = await alice.page.evaluate(() => [...(globalThis as unknown as { shown: Set<string> }).shown]);
  expect(shown.length).toBeGreaterThan(0);
  for (const text of shown) expect(text).toMatch(/^Catching up: [\d,]+ of 1,5\d\d$/);
});
