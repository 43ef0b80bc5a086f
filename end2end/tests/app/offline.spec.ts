import { BROKEN_ON_PURPOSE, expect, test, unique } from '../../support/fixtures.ts';

test('messages written offline are queued and sent in order once online', async ({ people }) => {
  const [alice, bob] = [await people.join('alice'), await people.join('bob')];
  alice.console.allow(BROKEN_ON_PURPOSE);
  const toBob = await alice.chatWith(bob.handle);
  const texts = [unique('first'), unique('second'), unique('third')];

  await alice.context.setOffline(true);
  await expect(toBob.connection()).toHaveText(/Offline/);
  for (const text of texts) await toBob.send(text);
  for (const text of texts) await toBob.shows(text, 'sending');

  await alice.context.setOffline(false);
  await expect(toBob.connection()).toHaveText(/Online/);
  for (const text of texts) await toBob.shows(text, 'sent');
  const toAlice = await bob.openChat(alice.handle);
  await toAlice.showsInOrder(texts);
});

test('queued messages survive closing the browser', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  alice.console.allow(BROKEN_ON_PURPOSE);
  const thread = await alice.chatWith(peer.handle);
  const text = unique('written on the train');
  await alice.context.setOffline(true);
  await expect(thread.connection()).toHaveText(/Offline/);
  await thread.send(text);
  await thread.shows(text, 'sending');

  await alice.page.close();
  await alice.context.setOffline(false);
  alice.page = await alice.newTab(`/messages/${peer.handle}`);
  await alice.thread(peer.handle).shows(text, 'sent');
  expect((await peer.inbox()).map((envelope) => peer.open(envelope).text)).toEqual([text]);
});
