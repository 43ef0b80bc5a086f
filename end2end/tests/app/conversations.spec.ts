import { expect, nextSecond, test } from '../../support/fixtures.ts';

test('unread messages are counted in the list and in the title, until they are read', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  await expect(alice.page).toHaveTitle(/^KEZ Chat|^Messages/);
  await peer.say(alice.handle, 'one');
  // A stranger's message is a request, and does not count as unread.
  await expect(alice.conversations().getByRole('link', { name: 'Requests', exact: true })).toBeVisible();
  await expect(alice.page).not.toHaveTitle(/^\(/);
  await alice.accept(peer.handle);
  await expect(alice.conversations().getByRole('link', { name: 'Requests', exact: true })).toHaveCount(0);
  const last = await peer.say(alice.handle, 'two');
  const row = alice.row(peer.handle);
  await expect(row.getByText('2 unread')).toBeAttached();
  await expect(row).toContainText(last);
  await expect(alice.page).toHaveTitle(/^\(2\) /);
  await alice.reload();
  await expect(row.getByText('2 unread')).toBeAttached();

  await alice.openChat(peer.handle);
  await expect(row.getByText(/unread/)).toHaveCount(0);
  await expect(alice.page).not.toHaveTitle(/^\(/);
  await alice.reload();
  await expect(row).toBeVisible();
  await expect(row.getByText(/unread/)).toHaveCount(0);
});

test('the newest activity is on top', async ({ people }) => {
  const alice = await people.join('alice');
  const [first, second] = [await people.peer('first'), await people.peer('second')];
  const links = alice.conversations().getByRole('link', { name: /^@/ });
  await first.say(alice.handle, 'first');
  await expect(alice.row(first.handle)).toBeVisible();
  await nextSecond();
  await second.say(alice.handle, 'second');
  await expect(links.first()).toHaveAccessibleName(new RegExp(`^@${second.handle}`));
  await nextSecond();
  await first.say(alice.handle, 'first again');
  await expect(links.first()).toHaveAccessibleName(new RegExp(`^@${first.handle}`));
  await alice.reload();
  await expect(links.first()).toHaveAccessibleName(new RegExp(`^@${first.handle}`));
  await expect(links).toHaveCount(2);
});

test('a conversation with an unknown handle says so', async ({ people }) => {
  const alice = await people.join('alice');
  await alice.button('New conversation').click();
  const dialog = alice.page.getByRole('dialog', { name: 'New conversation' });
  const to = dialog.getByRole('textbox', { name: 'To', exact: true });
  const start = dialog.getByRole('button', { name: 'Start', exact: true });
  for (const invalid of ['nobody-has-this', 'somebody@elsewhere.example', alice.handle]) {
    await to.fill(invalid);
    await start.click();
    await expect(dialog.getByRole('alert')).not.toBeEmpty();
    await expect(alice.page).toHaveURL(/\/messages$/);
  }
  await alice.page.keyboard.press('Escape');
  await expect(dialog).toBeHidden();
  await alice.open('/messages/nobody-has-this');
  await expect(alice.page.getByRole('textbox', { name: 'Message', exact: true, disabled: false })).toHaveCount(0);
});

test('a handle may be written as people write it', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  for (const written of [`@${peer.handle}`, `${peer.handle}@localhost`]) {
    await alice.open('/messages');
    await alice.button('New conversation').click();
    const dialog = alice.page.getByRole('dialog', { name: 'New conversation' });
    await dialog.getByRole('textbox', { name: 'To', exact: true }).fill(written);
    await dialog.getByRole('button', { name: 'Start', exact: true }).click();
    await alice.page.waitForURL(`**/messages/${peer.handle}`);
  }
});
