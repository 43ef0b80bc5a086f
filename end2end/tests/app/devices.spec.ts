// The browsers of an account: one that is added is seen by its owner and by friends, and one that is removed is out.

import { expectAccessible } from '../../support/axe.ts';
import { expect, test, unique } from '../../support/fixtures.ts';
import type { Person } from '../../support/person.ts';

const devices = (person: Person) =>
  person.page.getByRole('list', { name: 'Devices', exact: true }).getByRole('listitem');

const alert = (person: Person, text: string) => person.page.getByRole('alert').filter({ hasText: text });

test('a second browser is seen by its owner and by a friend, and is out once it is removed', async ({ people }) => {
  const [alice, bob] = [await people.join('alice'), await people.join('bob')];
  const toBob = await alice.chatWith(bob.handle);
  const first = unique('first');
  await toBob.send(first);
  await toBob.shows(first, 'sent');
  const toAlice = await bob.openChat(alice.handle);
  const answer = unique('answer');
  await toAlice.send(answer);
  await toBob.shows(answer, 'received');

  const phone = await people.visitor();
  await phone.restore(alice.words);
  await expect(alert(alice, 'A browser was added to your account.'), 'at once').toBeVisible();
  await alice.button('It was me').click();
  await expect(alert(alice, 'A browser was added')).toHaveCount(0);

  await phone.open('/settings');
  await expect(devices(phone)).toHaveText([/^Browser 1, added .+Remove$/, /^Browser 2, added .+This browser$/]);
  await expect(bob.page.locator('[data-line="device"]')).toHaveText(`@${alice.handle} added a device`);
  const [both, more] = [unique('to both'), unique('from the phone')];
  await toAlice.send(both);
  await phone.open('/messages');
  const fromPhone = await phone.openChat(bob.handle);
  await fromPhone.shows(both, 'received');
  await toBob.shows(both, 'received');
  await fromPhone.send(more);
  await toAlice.shows(more, 'received');
  await toBob.shows(more, 'sent');

  await alice.open('/settings');
  await expect(devices(alice)).toHaveText([/This browser$/, /Last seen today.*Remove$/]);
  await alice.button('Remove Browser 2').click();
  const asks = alice.page.getByRole('alertdialog', { name: 'Remove Browser 2?' });
  await expectAccessible(alice.page, 'the question before a removal');
  await asks.getByRole('button', { name: 'Cancel', exact: true }).click();
  await expect(asks).toHaveCount(0);
  await expect(devices(alice)).toHaveCount(2);
  await alice.button('Remove Browser 2').click();
  await asks.getByRole('button', { name: 'Remove', exact: true }).click();
  await expect(devices(alice)).toHaveCount(1);

  await expect(alert(phone, 'This browser was removed from your account.'), 'at once').toBeVisible();
  const late = unique('late');
  await toAlice.send(late);
  await alice.open(`/messages/${bob.handle}`);
  await alice.thread(bob.handle).shows(late, 'received');
  await fromPhone.composer.fill('still here?');
  await fromPhone.composer.press('Enter');
  await expect(phone.page.getByText('This browser was removed from your account.', { exact: true })).toBeVisible();
  await phone.reload();
  await expect(alert(phone, 'This browser was removed from your account.')).toBeVisible();
  await expect(fromPhone.message(late)).toHaveCount(0);
  await fromPhone.shows(both, 'received');
});

test('signing out of a browser removes it from the account', async ({ people }) => {
  const alice = await people.join('alice');
  const phone = await people.visitor();
  await phone.restore(alice.words);
  await phone.open('/settings');
  await expect(devices(phone)).toHaveCount(2);
  await phone.button('Sign out of this browser').click();
  await phone.typeAskedWords(alice.words);
  await phone.button('Sign out').click();
  await expect(phone.page.getByText('You are signed out.')).toBeVisible();
  await alice.open('/settings');
  await expect(devices(alice)).toHaveCount(1);
  await expect(devices(alice)).toContainText('This browser');
});
