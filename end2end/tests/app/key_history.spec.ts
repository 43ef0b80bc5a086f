// The history of a key: it begins at joining, is visible to its owner and to everyone, and continues after a change of the
// key.

import { expect, test, unique } from '../../support/fixtures.ts';

test('joining starts a key history that the settings and the profile page show', async ({ people }) => {
  const alice = await people.join('alice');
  await expect(alice.page.getByText('You have a second phrase of 24 words')).toBeVisible();

  const words = await alice.takeRotationPhrase();
  expect(words).not.toEqual(alice.words);
  await expect(alice.keyHistory()).toHaveText([/Began with the key ed25519:/, new RegExp(`Claimed the handle @${alice.handle} `), /Added the device/]);
  await alice.reload();
  await expect(alice.page.getByText('it is no longer kept here')).toBeVisible();
  await alice.open('/messages');
  await expect(alice.page.getByText('You have a second phrase of 24 words')).toHaveCount(0);

  const visitor = await people.visitor();
  await visitor.open(`/u/${alice.handle}`);
  await expect(visitor.keyHistory()).toHaveText([/Began with the key/, /Claimed the handle/, /Added the device/]);
});

test('the rotation phrase changes the key, and a friend continues with the new one', async ({ people }) => {
  const [alice, bob] = [await people.join('alice'), await people.join('bob')];
  const [before, after, answer] = [unique('before'), unique('after'), unique('answer')];
  const toBob = await alice.chatWith(bob.handle);
  await toBob.send(before);
  // The recovery words bring only envelopes back: this friend's app knows nothing else.
  const peer = await people.peer('peer');
  const [early, reply] = [await peer.say(bob.handle, 'early'), unique('reply')];
  const toPeer = await bob.openChat(peer.handle);
  await toPeer.shows(early, 'received');
  await toPeer.send(reply);
  await toPeer.shows(reply, 'sent');
  const toAlice = await bob.openChat(alice.handle);
  await toAlice.shows(before, 'received');

  const oldKey = await bob.page.evaluate(async (handle) => (await (await fetch(`/v1/u/${handle}`)).json()).primary, bob.handle);
  const words = await bob.takeRotationPhrase();
  await bob.textbox('Rotation phrase').fill(words.join(' '));
  await bob.button('Change key').click();
  await expect(bob.keyHistory()).toHaveCount(5);
  await expect(bob.keyHistory().nth(3)).toContainText('Changed the key to');
  await expect(bob.button('Show rotation phrase')).toBeVisible();
  const newKey = await bob.page.evaluate(async (handle) => (await (await fetch(`/v1/u/${handle}`)).json()).primary, bob.handle);
  expect(newKey).not.toBe(oldKey);

  await bob.open(`/messages/${alice.handle}`);
  await toAlice.shows(before, 'received');
  await toAlice.send(after);
  await toBob.shows(after, 'received');
  await expect(alice.page.getByText(`@${bob.handle} has changed their key. The key history proves it.`)).toBeVisible();
  await expect(alice.page.getByRole('alert')).toHaveCount(0);
  await toBob.send(answer);
  await toAlice.shows(answer, 'received');

  const late = await peer.say(bob.handle, 'late');
  const elsewhere = await people.visitor();
  await elsewhere.restore(words);
  const restored = await elsewhere.openChat(peer.handle);
  await restored.showsInOrder([early, reply, late]);
  await elsewhere.open('/settings');
  await expect(elsewhere.keyHistory()).toHaveCount(6);

  const refused = await people.visitor();
  await refused.open('/restore');
  await refused.textbox('Recovery phrase').fill(bob.words.join(' '));
  await refused.button('Restore account').click();
  await expect(refused.page.getByRole('alert')).toContainText('This key was replaced');

  await refused.open(`/u/${bob.handle}`);
  await expect(refused.keyHistory()).toHaveCount(6);
});

test('a wrong phrase changes nothing and is reported', async ({ people }) => {
  const alice = await people.join('alice');
  await alice.takeRotationPhrase();
  await alice.textbox('Rotation phrase').fill(alice.words.join(' '));
  await alice.button('Change key').click();
  const refusal = alice.page.getByRole('alert').filter({ hasText: 'This is not your rotation phrase' });
  await expect(refusal).toBeVisible();
  await expect(alice.keyHistory()).toHaveCount(3);
});
