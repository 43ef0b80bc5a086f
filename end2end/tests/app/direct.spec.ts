// Chats of two people over MLS: a line says so once on each side, and nothing goes in an envelope any more.

import { expectAccessible } from '../../support/axe.ts';
import { BROKEN_ON_PURPOSE, expect, nextSecond, test, unique } from '../../support/fixtures.ts';
import { Peer } from '../../support/peer.ts';
import { talking } from '../../support/talking.ts';
import type { Thread } from '../../support/thread.ts';

const upgraded = (thread: Thread) => thread.log.locator('[data-line="upgraded"]');
const oldWay = (thread: Thread) => thread.log.getByText('Sent the old way', { exact: true });

test('two people write over MLS, and a line says so once on each side', async ({ people }) => {
  const [alice, bob] = [await people.join('alice'), await people.join('bob')];
  const { toBob, toAlice, said } = await talking(alice, bob);
  said.push(unique('more'));
  await toBob.send(said[2]!);
  await toAlice.shows(said[2]!, 'received');
  await toBob.shows(said[2]!, 'sent');

  for (const [person, thread] of [[alice, toBob], [bob, toAlice]] as const) {
    await thread.showsInOrder(said);
    await expect(upgraded(thread)).toHaveCount(1);
    await expectAccessible(person.page, 'a chat over MLS');
    await person.reload();
    await thread.showsInOrder(said);
    await expect(upgraded(thread)).toHaveCount(1);
    await expect(oldWay(thread)).toHaveCount(0);
    expect(person.recorder.messages(), 'no envelope was sent').toEqual([]);
  }
});

test('both write first, at the same time', async ({ people }) => {
  const [alice, bob] = [await people.join('alice'), await people.join('bob')];
  const [mine, theirs] = [unique('from alice'), unique('from bob')];
  // The server refuses the group that comes second.
  for (const person of [alice, bob]) person.console.allow(BROKEN_ON_PURPOSE);
  const toBob = await alice.chatWith(bob.handle);
  const toAlice = await bob.chatWith(alice.handle);
  await Promise.all([toBob.send(mine), toAlice.send(theirs)]);
  await toBob.shows(mine, 'sent');
  await toBob.shows(theirs, 'received');
  await toAlice.shows(theirs, 'sent');
  await toAlice.shows(mine, 'received');
  for (const thread of [toBob, toAlice]) {
    await expect(thread.messages).toHaveCount(2);
    await expect(upgraded(thread)).toHaveCount(1);
  }
});

test('an envelope that comes later is marked, and is not read once old messages are refused', async ({ people, baseURL }) => {
  const [alice, bob] = [await people.join('alice'), await people.join('bob')];
  const { toBob, said } = await talking(alice, bob);
  await nextSecond();
  // An app of Bob's that knows only envelopes, or a thief of his key.
  const thief = Peer.ofWords(baseURL!, bob.handle, bob.words);
  const marked = await thief.say(alice.handle, 'the old way');
  await toBob.shows(marked, 'received');
  await expect(toBob.message(marked)).toContainText('Sent the old way');
  await expect(oldWay(toBob)).toHaveCount(1);
  await expectAccessible(alice.page, 'a message with the mark');
  await alice.reload();
  await expect(toBob.message(marked)).toContainText('Sent the old way');

  await alice.open('/settings');
  const refuse = alice.page.getByRole('checkbox', { name: 'Refuse old messages', exact: true });
  await refuse.check();
  await expect(alice.keyHistory().last()).toContainText('Reads messages from version 2 on.');
  await alice.reload();
  await expect(refuse).toBeChecked();
  await nextSecond();
  await thief.say(alice.handle, 'not read');
  const toAlice = bob.thread(alice.handle);
  said.push(marked, unique('over MLS'));
  await toAlice.send(said.at(-1)!);
  await alice.open(`/messages/${bob.handle}`);
  await toBob.shows(said.at(-1)!, 'received');
  await toBob.showsInOrder(said);
});
