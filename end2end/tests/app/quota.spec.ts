// The browser's storage is full: the app says so in plain words, and shows no message as sent.

import { expect, test, unique } from '../../support/fixtures.ts';

/** Room for an account with a few messages, in bytes. Set before the browser first checks how much room there is. */
const QUOTA = 220_000;

test('full storage is reported, stops sending, and recovers once there is room', async ({ people, baseURL }) => {
  test.slow();
  const alice = await people.visitor();
  const browser = await alice.context.newCDPSession(alice.page);
  await browser.send('Storage.overrideQuotaForOrigin', { origin: baseURL!, quotaSize: QUOTA });
  await alice.join(`alice-${Date.now()}`);
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  const [before, after] = [unique('before'), unique('after')];
  await thread.send(before);
  await thread.shows(before, 'sent');

  await thread.send(unique('long ').repeat(9_000).slice(0, 180_000));
  await expect(alice.page.getByRole('alert').filter({ hasText: 'storage for KEZ Chat is full' })).toBeVisible();
  await expect(thread.log.locator('[data-state="sent"]')).toHaveCount(1);

  // The browser notices only after a while that there is room again.
  await browser.send('Storage.overrideQuotaForOrigin', { origin: baseURL! });
  await expect(async () => {
    await alice.reload();
    await thread.showsInOrder([before]);
    await thread.send(after);
    await expect(thread.message(after)).toHaveAttribute('data-state', 'sent', { timeout: 10_000 });
  }).toPass({ timeout: 60_000 });
  expect((await peer.inbox()).map((envelope) => peer.open(envelope).text)).toEqual([before, after]);
});
