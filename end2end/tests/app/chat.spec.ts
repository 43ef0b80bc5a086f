import { expect, test, unique } from '../../support/fixtures.ts';

test('messages go both ways and survive a reload', async ({ people }) => {
  const [alice, bob] = [await people.join('alice'), await people.join('bob')];
  const [hello, answer, more] = [unique('Hello Bob'), unique('Hello Alice'), unique('How are you?')];

  const toBob = await alice.chatWith(bob.handle);
  await expect(alice.page.getByRole('heading', { name: `@${bob.handle}`, exact: true })).toBeVisible();
  await toBob.send(hello);
  await toBob.shows(hello, 'sent');

  await expect(bob.row(alice.handle)).toBeVisible();
  const toAlice = await bob.openChat(alice.handle);
  await toAlice.shows(hello, 'received');
  await toAlice.send(answer);
  await toBob.shows(answer, 'received');
  await toBob.send(more);
  await toAlice.shows(more, 'received');
  await expect(toBob.connection()).toHaveText(/Online/);

  await alice.reload();
  await toBob.showsInOrder([hello, answer, more]);
  await toBob.shows(hello, 'sent');
  await bob.reload();
  await toAlice.showsInOrder([hello, answer, more]);
});

test('messages received while offline appear once and in order', async ({ people }) => {
  const bob = await people.join('bob');
  const peer = await people.peer('writer');
  await bob.page.goto('about:blank');
  const texts: string[] = [];
  for (let n = 1; n <= 25; n++) texts.push(await peer.say(bob.handle, `while away ${n}`));

  await bob.open('/messages');
  const thread = await bob.openChat(peer.handle);
  await thread.showsInOrder(texts);
});

test('works with an independent client of the protocol', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const [there, back] = [unique('there'), 'back'];
  const thread = await alice.chatWith(peer.handle);
  await thread.send(there);
  await thread.shows(there, 'sent');

  const [envelope, ...others] = await peer.inbox();
  expect(others).toEqual([]);
  expect(peer.open(envelope!)).toMatchObject({ kind: 'text', text: there });
  expect(envelope).not.toHaveProperty('text');
  await thread.shows(await peer.say(alice.handle, back), 'received');
});
