import { expect, test, unique } from '../../support/fixtures.ts';

const PASSPHRASE = 'correct horse battery staple 4711';

test('a locked account shows nothing until it is unlocked', async ({ people }) => {
  const alice = await people.join('alice', { passphrase: PASSPHRASE });
  const peer = await people.peer('peer');
  const text = unique('behind the lock');
  const thread = await alice.chatWith(peer.handle);
  await thread.send(text);
  await thread.shows(text, 'sent');

  await alice.reload();
  await expect(alice.button('Unlock')).toBeVisible();
  await expect(alice.page.getByText(text)).toHaveCount(0);
  await alice.unlock('wrong');
  await expect(alice.page.getByRole('alert')).toBeVisible();
  await alice.unlock(PASSPHRASE);
  await thread.shows(text, 'sent');

  const late = await peer.say(alice.handle, 'after unlocking');
  await thread.shows(late, 'received');
});

test('"Lock now" locks every tab', async ({ people }) => {
  const alice = await people.join('alice', { passphrase: PASSPHRASE });
  const unlock = (page = alice.page) => page.getByRole('button', { name: 'Unlock', exact: true });
  await alice.open('/settings');
  await alice.unlock(PASSPHRASE);
  const tab = await alice.newTab('/messages');
  await expect(tab.getByRole('button', { name: 'New conversation', exact: true })).toBeVisible();
  await expect(unlock(tab)).toHaveCount(0);
  await alice.button('Lock now').click();
  await expect(unlock()).toBeVisible();
  await expect(unlock(tab)).toBeVisible();
  await alice.unlock(PASSPHRASE);
  await expect(unlock()).toHaveCount(0);
  await expect(unlock(tab)).toHaveCount(0);
});

test('the recovery phrase is shown on request, and hidden again', async ({ people }) => {
  const alice = await people.join('alice');
  await alice.open('/settings');
  const items = alice.page.getByRole('list', { name: 'Recovery phrase' }).getByRole('listitem');
  await expect(items).toHaveCount(0);
  await alice.button('Show recovery phrase').click();
  await expect(items).toHaveCount(24);
  const shown = (await items.allInnerTexts()).map((word) => word.replace(/[^a-z]/g, ''));
  expect(shown).toEqual(alice.words);
  await alice.reload();
  await expect(items).toHaveCount(0);
});
