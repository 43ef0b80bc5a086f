import { readFile } from 'node:fs/promises';
import { expect, test, unique } from '../../support/fixtures.ts';

test('"Export my data" saves one file with stored data and conversations', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  const mine = unique('to be exported');
  await thread.send(mine);
  await thread.shows(mine, 'sent');
  const theirs = await peer.say(alice.handle, unique('exported too'));
  await thread.shows(theirs, 'received');

  await alice.open('/settings');
  const [download] = await Promise.all([
    alice.page.waitForEvent('download'),
    alice.button('Export my data').click(),
  ]);
  expect(download.suggestedFilename()).toBe(`kez-chat-${alice.handle}.json`);
  const file = JSON.parse(await readFile(await download.path(), 'utf8'));
  expect(file.stored.account.handle).toBe(alice.handle);
  expect(file.stored.inbox.items.length).toBeGreaterThan(0);
  const said = file.conversations[0].messages.map((message: { text: string }) => message.text);
  expect(said).toEqual([mine, theirs]);
});

test('"Delete account" asks first, then clears the server and the browser', async ({ people }) => {
  const alice = await people.join('alice');
  const tab = await alice.newTab('/messages');
  await alice.open('/settings');
  await alice.button('Delete account').click();
  const dialog = alice.page.getByRole('dialog', { name: 'Delete this account?' });
  const confirm = dialog.getByRole('button', { name: 'Delete for good', exact: true });
  await expect(confirm).toBeDisabled();
  await alice.page.keyboard.press('Escape');
  await expect(dialog).toHaveCount(0);
  expect((await alice.page.request.get(`/v1/u/${alice.handle}`)).status()).toBe(200);

  await alice.button('Delete account').click();
  await dialog.getByRole('checkbox', { name: 'I want to lose this account' }).check();
  await confirm.click();
  await expect(alice.page.getByRole('link', { name: 'Create account' }).first()).toBeVisible();
  await expect(tab.getByRole('link', { name: 'Create account' }).first()).toBeVisible();
  expect((await alice.page.request.get(`/v1/u/${alice.handle}`)).status()).toBe(404);
  await alice.reload();
  await expect(alice.page.getByRole('link', { name: 'Create account' }).first()).toBeVisible();
});
