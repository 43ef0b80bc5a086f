import { expect, test, unique } from '../../support/fixtures.ts';

test('two tabs both work, and the second goes on when the first is closed', async ({ people }) => {
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

test('what is read in one tab is read in the other', async ({ people }) => {
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

test('a worker that fails says so, and another tab goes on', async ({ people }) => {
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

test('a tab of another version executes nothing and is told of', async ({ people }) => {
  const alice = await people.join('alice');
  await alice.page.evaluate(() => new BroadcastChannel('kez-chat').postMessage(new Uint8Array([0, 1, 2, 3])));
  await expect(alice.page.getByRole('alert')).toContainText('another version');
});
