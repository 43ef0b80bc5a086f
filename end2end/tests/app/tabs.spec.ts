import { expect, test, unique } from '../../support/fixtures.ts';
import { takeLease } from '../../support/vault.ts';

test('two tabs both work, and the second continues when the first is closed', async ({ people }) => {
  const [alice, bob] = [await people.join('alice'), await people.join('bob')];
  const first = await alice.chatWith(bob.handle);
  const tab = await alice.newTab(`/messages/${bob.handle}`);
  const second = alice.thread(bob.handle, tab);
  const [a, b, c, d, e] = [unique('a'), unique('b'), unique('c'), unique('d'), unique('e')];

  await first.send(a);
  await second.shows(a, 'sent');
  await second.send(b);
  await first.shows(b, 'sent');
  const toAlice = await bob.openChat(alice.handle);
  await toAlice.send(c);
  await first.shows(c, 'received');
  await second.shows(c, 'received');

  await first.page.close();
  await second.send(d);
  await second.shows(d, 'sent');
  await toAlice.send(e);
  await second.shows(e, 'received');
  await second.showsInOrder([a, b, c, d, e]);
  await toAlice.showsInOrder([a, b, c, d, e]);
  await tab.reload();
  await second.showsInOrder([a, b, c, d, e]);
});

test('messages read in one tab are read in the other', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  await alice.open('/settings');
  const tab = await alice.newTab('/messages');
  await peer.say(alice.handle, 'unread');
  await alice.accept(peer.handle, tab);
  await expect(alice.row(peer.handle, tab).getByText('1 unread')).toBeAttached();
  await expect(tab).toHaveTitle(/^\(1\) /);
  await expect(alice.page).toHaveTitle(/^\(1\) /);

  await tab.bringToFront();
  await alice.row(peer.handle, tab).click();
  await expect(alice.thread(peer.handle, tab).messages).toHaveCount(1);
  await expect(tab).not.toHaveTitle(/^\(/);
  await expect(alice.page).not.toHaveTitle(/^\(/);
});

test('a failed worker is reported, and another tab continues', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  await alice.chatWith(peer.handle);
  const tab = await alice.newTab(`/messages/${peer.handle}`);
  const second = alice.thread(peer.handle, tab);
  await expect(second.composer).toBeEnabled();

  alice.console.allow(/on purpose/);
  const [worker] = alice.page.workers();
  await worker!.evaluate(() => { setTimeout(() => { throw new Error('on purpose'); }); });
  await expect(alice.page.getByRole('alert')).toContainText('has stopped');
  const text = unique('still here');
  await second.send(text);
  await second.shows(text, 'sent');
});

test('a tab of another version executes nothing and is reported', async ({ people }) => {
  const alice = await people.join('alice');
  await alice.page.evaluate(() => new BroadcastChannel('kez-chat').postMessage(new Uint8Array([0, 1, 2, 3])));
  await expect(alice.page.getByRole('alert')).toContainText('another version');
});

const PASSPHRASE = 'a passphrase that stays in its tab';

test('keys never cross tabs, and a tab that takes over asks for the passphrase', async ({ people }) => {
  const alice = await people.join('alice', { passphrase: PASSPHRASE });
  const tab = await alice.newTab('/settings');
  await expect(tab.getByRole('button', { name: 'Show recovery phrase' })).toBeVisible();
  // Listens as any script of the page could.
  await tab.evaluate(() => {
    const heard: string[] = [];
    Object.assign(window, { heard });
    new BroadcastChannel('kez-chat').onmessage = ({ data }) => heard.push(String.fromCharCode(...data));
  });
  const third = await alice.newTab('/messages');
  await expect(third.getByRole('button', { name: 'New conversation' })).toBeVisible();
  await tab.getByRole('button', { name: 'Show recovery phrase' }).click();
  await expect(tab.getByRole('alert').filter({ hasText: 'only in the tab' })).toBeVisible();
  const heard = await tab.evaluate(() => (window as unknown as { heard: string[] }).heard.join('\n'));
  expect(heard.length).toBeGreaterThan(100);
  expect(heard.replaceAll(/ed25519:[0-9a-f]{64}/g, '')).not.toMatch(/[0-9a-f]{64}/);
  expect(alice.words.filter((word) => heard.includes(word)).length).toBeLessThan(6);

  await alice.page.close();
  await expect(tab.getByRole('button', { name: 'Unlock', exact: true })).toBeVisible();
  await tab.getByRole('textbox', { name: 'Passphrase' }).fill(PASSPHRASE);
  await tab.getByRole('button', { name: 'Unlock', exact: true }).click();
  await expect(tab.getByRole('button', { name: 'Show recovery phrase' })).toBeVisible();
});

test('an unresponsive leading tab is reported in the others', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  await alice.chatWith(peer.handle);
  const tab = await alice.newTab(`/messages/${peer.handle}`);
  const second = alice.thread(peer.handle, tab);
  await expect(second.composer).toBeEnabled();
  const [worker] = alice.page.workers();
  const busy = worker!.evaluate(() => { const end = Date.now() + 20_000; while (Date.now() < end); });
  const text = unique('once it answers');
  await second.send(text);
  await expect(tab.getByRole('alert').filter({ hasText: 'is not responding' })).toBeVisible({ timeout: 15_000 });
  await busy;
  await second.shows(text, 'sent');
  await expect(tab.getByRole('alert').filter({ hasText: 'is not responding' })).toHaveCount(0);
});

test('a leading tab writes and sends nothing once another has taken over', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  const [before, late, after] = [unique('before'), unique('too late'), unique('after')];
  await thread.send(before);
  await thread.shows(before, 'sent');

  await takeLease(alice.page);
  await thread.send(late);
  await expect(alice.page.getByRole('alert').filter({ hasText: 'Another KEZ Chat tab has taken over' })).toBeVisible();
  await expect(thread.log.locator('[data-state="sent"]')).toHaveCount(1);

  await alice.reload();
  await thread.showsInOrder([before]);
  await thread.send(after);
  await thread.shows(after, 'sent');
  expect((await peer.inbox()).map((envelope) => peer.open(envelope).text)).toEqual([before, after]);
});

test('a storage connection closed by the browser is reopened', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  const [worker] = alice.page.workers();
  await worker!.evaluate(() => {
    const transaction = IDBDatabase.prototype.transaction;
    IDBDatabase.prototype.transaction = function (...given) {
      IDBDatabase.prototype.transaction = transaction;
      this.close();
      return transaction.apply(this, given);
    };
  });
  const text = unique('after the storage went');
  await thread.send(text);
  await thread.shows(text, 'sent');
  await alice.reload();
  await thread.shows(text, 'sent');
});
