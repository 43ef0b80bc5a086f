import { expect, test, unique } from '../../support/fixtures.ts';

test('the conversation menu blocks after a confirmation, and a block can be undone', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  const text = unique('hello');
  await thread.send(text);
  await thread.shows(text, 'sent');
  const item = (name: string) => alice.page.getByRole('menuitem', { name, exact: true });

  await alice.button('Conversation menu').click();
  await expect(item('Verify')).toBeFocused();
  await alice.page.keyboard.press('ArrowDown');
  await expect(item('Profile')).toBeFocused();
  await alice.page.keyboard.press('Escape');
  await expect(alice.button('Conversation menu')).toBeFocused();
  await expect(item('Verify')).toHaveCount(0);

  await alice.button('Conversation menu').click();
  await item('Block').click();
  const dialog = alice.page.getByRole('dialog', { name: `Block @${peer.handle}?` });
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await expect(dialog).toHaveCount(0);
  await expect(alice.row(peer.handle)).toHaveCount(1);

  await alice.button('Conversation menu').click();
  await item('Block').click();
  await dialog.getByRole('button', { name: `Block @${peer.handle}` }).click();
  await expect(alice.row(peer.handle)).toHaveCount(0);
  await alice.button('Undo').click();
  await expect(alice.row(peer.handle)).toHaveCount(1);
  // The server drops messages until it has heard of the unblocking.
  await expect(async () => {
    const again = await peer.say(alice.handle, 'back again');
    await expect(thread.message(again)).toHaveCount(1, { timeout: 3_000 });
  }).toPass();
});

test('the menu leads to Verify and to the profile', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  await alice.chatWith(peer.handle);
  await alice.button('Conversation menu').click();
  await alice.page.getByRole('menuitem', { name: 'Verify' }).click();
  await expect(alice.page.getByRole('dialog', { name: `Verify @${peer.handle}` })).toBeVisible();
  await alice.page.keyboard.press('Escape');
  await alice.button('Conversation menu').click();
  await alice.page.getByRole('menuitem', { name: 'Profile' }).click();
  await alice.page.waitForURL(`**/u/${peer.handle}`);
});

test('a report reaches the operator without message content', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  const text = await peer.say(alice.handle, 'buy this');
  await thread.shows(text, 'received');
  await alice.button('Conversation menu').click();
  await alice.page.getByRole('menuitem', { name: 'Report', exact: true }).click();
  const dialog = alice.page.getByRole('dialog', { name: `Report @${peer.handle}` });
  await dialog.getByRole('textbox', { name: 'What happened' }).fill('They sell things.');
  await dialog.getByRole('button', { name: 'Send report' }).click();
  await expect(dialog.getByRole('status')).toContainText('Your report was sent.');
  await dialog.getByRole('button', { name: 'Done' }).click();
  await expect(dialog).toHaveCount(0);
  await expect(alice.button('Conversation menu')).toBeFocused();
});
