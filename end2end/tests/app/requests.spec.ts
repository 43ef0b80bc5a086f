// A stranger writes: a request, without any notification, until it is accepted or blocked.

import type { Person } from '../../support/person.ts';
import { expect, test, unique } from '../../support/fixtures.ts';

/** The section of the list that the link "Requests" leads to. */
const requests = (person: Person) => person.conversations().getByRole('link', { name: 'Requests', exact: true });

test('a request waits without a badge or an answer, is readable, and becomes a conversation when it is accepted', async ({ people }) => {
  const bob = await people.join('bob');
  const peer = await people.peer('stranger');
  await expect(requests(bob)).toHaveCount(0);
  const hello = await peer.say(bob.handle, 'hello');

  await expect(requests(bob)).toBeVisible();
  await expect(bob.row(peer.handle)).toBeVisible();
  await expect(bob.conversations().getByText('unread')).toHaveCount(0);
  await expect(bob.page).toHaveTitle('KEZ Chat');
  const thread = await bob.openChat(peer.handle);
  await thread.shows(hello, 'received');
  await expect(thread.composer).toBeEnabled();
  await bob.reload();
  await thread.shows(hello, 'received');
  await expect(requests(bob)).toBeVisible();
  expect(await peer.inbox(), 'the stranger learns nothing').toEqual([]);

  await bob.button('Accept').click();
  await expect(requests(bob)).toHaveCount(0);
  await expect(bob.button('Accept')).toHaveCount(0);
  await expect(bob.button('Block')).toHaveCount(0);
  await bob.open('/messages');
  await peer.say(bob.handle, 'more');
  await expect(bob.row(peer.handle).getByText('1 unread')).toBeAttached();
  await expect(bob.page).toHaveTitle(/^\(1\) /);
});

test('a blocked sender stays blocked until unblocked in the settings', async ({ people }) => {
  const bob = await people.join('bob');
  const [peer, friend] = [await people.peer('stranger'), await people.peer('friend')];
  await peer.say(bob.handle, 'buy this');
  await expect(requests(bob)).toBeVisible();
  await bob.button('Block').click();
  await expect(bob.row(peer.handle)).toHaveCount(0);
  await expect(requests(bob)).toHaveCount(0);

  const again = unique('buy that');
  expect((await peer.deliver(bob.handle, peer.seal(await peer.primaryOf(bob.handle), again))).status).toBe(201);
  // A later message from a friend has arrived, and the blocked one has not.
  await friend.say(bob.handle, 'hello');
  await expect(bob.row(friend.handle)).toBeVisible();
  await expect(bob.row(peer.handle)).toHaveCount(0);
  await bob.reload();
  await expect(bob.row(friend.handle)).toBeVisible();
  await expect(bob.row(peer.handle)).toHaveCount(0);

  await bob.open('/settings');
  const blocked = bob.page.getByRole('list', { name: 'Blocked' }).getByRole('listitem');
  await expect(blocked).toHaveCount(1);
  await expect(blocked).toContainText(`@${peer.handle}`);
  let hear!: () => void;
  const heard = new Promise<void>((resolve) => { hear = resolve; });
  await bob.context.route('**/blocks/*', async (route) => { await heard; await route.continue(); });
  await blocked.getByRole('button', { name: 'Unblock', exact: true }).click();
  await expect(blocked, 'the server still keeps back what is sent').toContainText('your server does not know yet');
  hear();
  await expect(blocked).toHaveCount(0);

  await bob.open('/messages');
  const after = await peer.say(bob.handle, 'sorry');
  const thread = await bob.openChat(peer.handle);
  await thread.shows(after, 'received');
  await expect(thread.message(again)).toHaveCount(0);
});

test('a reply accepts the request', async ({ people }) => {
  const bob = await people.join('bob');
  const peer = await people.peer('stranger');
  await peer.say(bob.handle, 'hello');
  const thread = await bob.openChat(peer.handle);
  const answer = unique('hello yourself');
  await thread.send(answer);
  await thread.shows(answer, 'sent');
  await expect(requests(bob)).toHaveCount(0);
  await expect(bob.button('Block')).toHaveCount(0);
});

test('a declined request is gone, and the next message is a new one', async ({ people }) => {
  const bob = await people.join('bob');
  const peer = await people.peer('stranger');
  await peer.say(bob.handle, 'buy this');
  await expect(requests(bob)).toBeVisible();
  await bob.button('Decline').click();
  await expect(bob.row(peer.handle)).toHaveCount(0);
  await expect(bob.button('New conversation')).toBeFocused();
  await bob.reload();
  await expect(bob.button('New conversation')).toBeVisible();
  await expect(bob.row(peer.handle)).toHaveCount(0);
  const please = await peer.say(bob.handle, 'please');
  const thread = await bob.openChat(peer.handle);
  await thread.shows(please, 'received');
  await expect(thread.messages).toHaveCount(1);
});
