// An envelope that cannot be opened is a row that says why, and does not block the messages after it.

import { expect, test, unique } from '../../support/fixtures.ts';

test('tampered, forged and unreadable envelopes become rows and do not block the thread', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const primary = await peer.primaryOf(alice.handle);
  const thread = await alice.chatWith(peer.handle);
  const before = await peer.say(alice.handle, 'before');
  await thread.shows(before, 'received');

  const genuine = peer.seal(primary, unique('tampered with'));
  const ciphertext = String(genuine.ciphertext);
  const flipped = (ciphertext.startsWith('A') ? 'B' : 'A') + ciphertext.slice(1);
  await peer.deliver(alice.handle, { ...genuine, ciphertext: flipped });
  await peer.deliver(alice.handle, { ...peer.seal(primary, unique('redated')), created_at: '2001-01-01T00:00:00Z' });
  await peer.deliver(alice.handle, peer.sealNonsense(primary));
  const after = await peer.say(alice.handle, 'after');

  await thread.shows(after, 'received');
  const bad = thread.log.locator('article[data-state="undecryptable"]');
  await expect(bad).toHaveCount(3);
  await expect(bad.first()).toContainText(/signature/);
  await expect(bad.last()).toContainText(/could not be decrypted/);
  await alice.reload();
  await thread.shows(after, 'received');
  await expect(bad).toHaveCount(3);
});

test('a repeated envelope is one message even with different bytes', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  const once = unique('once');
  const envelope = peer.seal(await peer.primaryOf(alice.handle), once);
  const turned = Object.fromEntries(Object.entries(envelope).reverse());
  expect((await peer.deliver(alice.handle, envelope)).status).toBe(201);
  expect((await peer.deliver(alice.handle, envelope)).status).toBe(200);
  expect((await peer.deliver(alice.handle, JSON.stringify(turned, null, 2))).status).toBe(201);
  const last = await peer.say(alice.handle, 'last');
  await thread.shows(last, 'received');
  await thread.showsInOrder([once, last]);
});

test('misdirected and malformed messages show no text and block nothing', async ({ people }) => {
  const alice = await people.join('alice');
  const [peer, other] = [await people.peer('peer'), await people.peer('other')];
  const thread = await alice.chatWith(peer.handle);
  const stray = unique('for another recipient');
  await peer.deliver(alice.handle, peer.seal(other.primary, stray));
  await peer.deliver(alice.handle, { v: 1, nonsense: true });
  await peer.deliver(alice.handle, { v: 2, type: 'kez.chat.message', from: peer.primary });
  const after = await peer.say(alice.handle, 'after');
  await thread.shows(after, 'received');
  await expect(alice.page.getByText(stray)).toHaveCount(0);
});
