import { expect, test, unique } from '../../support/fixtures.ts';

test('signing out asks for the words, leaves nothing here, and the words bring the account back', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  const text = unique('kept by the server');
  await thread.send(text);
  await thread.shows(text, 'sent');
  await alice.open('/settings');
  await alice.button('Sign out of this browser').click();
  const dialog = alice.page.getByRole('dialog', { name: 'Sign out of this browser?' });
  for (const box of await dialog.getByRole('textbox').all()) await box.fill('wrong');
  await dialog.getByRole('button', { name: 'Sign out', exact: true }).click();
  await expect(dialog.getByRole('alert')).toBeVisible();
  await expect(alice.page.getByRole('list', { name: 'Recovery phrase' })).toHaveCount(0);
  await alice.typeAskedWords(alice.words);
  await dialog.getByRole('button', { name: 'Sign out', exact: true }).click();
  await expect(alice.link('Create account').first()).toBeVisible();
  await alice.reload();
  await expect(alice.link('Create account').first()).toBeVisible();
  await alice.restore(alice.words);
  await alice.openChat(peer.handle);
  await alice.thread(peer.handle).shows(text, 'sent');
});
