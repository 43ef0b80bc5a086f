import { expect, handleFrom, test } from '../../support/fixtures.ts';

test('the landing page links to joining, and then to the messages', async ({ people }) => {
  const alice = await people.visitor();
  await alice.open('/');
  await expect(alice.link('Open messages')).toHaveCount(0);
  await alice.link('Create account').click();
  await alice.page.waitForURL('**/join');
  await alice.join(handleFrom('alice'));
  await expect(alice.conversations()).toBeVisible();
  await expect(alice.button('New conversation')).toBeVisible();
  await alice.open('/');
  await expect(alice.link('Open messages')).toBeVisible();
});

test('shows the availability of a handle while it is typed', async ({ people }) => {
  const taken = await people.peer('taken');
  const alice = await people.visitor();
  await alice.open('/join');
  const handle = alice.textbox('Handle');

  await handle.fill(handleFrom('free'));
  await expect(alice.page.getByText('Available', { exact: true })).toBeVisible();
  await handle.fill(taken.handle);
  await expect(alice.page.getByText('Taken', { exact: true })).toBeVisible();
  await expect(alice.page.getByText('Available', { exact: true })).toHaveCount(0);
  await handle.fill('ab');
  await expect(alice.page.getByText(/at least 3 characters/)).toBeVisible();
  await handle.fill('not a handle');
  await expect(alice.page.getByText(/only a-z, 0-9/)).toBeVisible();
  await handle.fill('admin');
  await expect(alice.page.getByText(/reserved/i)).toBeVisible();
});

test('three words must be confirmed before the account is created', async ({ people }) => {
  const alice = await people.visitor();
  const handle = handleFrom('alice');
  await alice.open('/join');
  await alice.chooseHandle(handle);
  await expect(alice.page.getByText('Step 2 of 4'), 'where the next step begins').toBeFocused();
  const words = await alice.readPhrase();
  expect(new Set(words).size).toBeGreaterThan(12);

  await alice.confirmPhrase(words.map(() => 'zebra'));
  await expect(alice.page.getByRole('alert')).toBeVisible();
  await expect(alice.textbox('Repeat passphrase')).toHaveCount(0);
  await alice.confirmPhrase(words);
  await alice.choosePassphrase('');
  await alice.page.waitForURL('**/messages');
  expect((await alice.page.request.get(`/v1/u/${handle}`)).status()).toBe(200);
});

test('two passphrases that differ are refused', async ({ people }) => {
  const alice = await people.visitor();
  await alice.open('/join');
  await alice.chooseHandle(handleFrom('alice'));
  await alice.confirmPhrase(await alice.readPhrase());
  await alice.textbox('Passphrase').fill('correct horse battery');
  await alice.textbox('Repeat passphrase').fill('correct horse');
  await alice.button('Create account').click();
  await expect(alice.page.getByRole('alert')).toBeVisible();
  await expect(alice.page).toHaveURL(/\/join$/);
});

test('"Later" creates the account, and a banner stays until the phrase is confirmed', async ({ people }) => {
  const visitor = await people.visitor();
  await visitor.open('/join');
  await visitor.chooseHandle(`later-${Date.now()}`);
  await visitor.button('Later').click();
  await visitor.choosePassphrase('');
  await visitor.page.waitForURL('**/messages');
  const banner = visitor.page.getByText('Your recovery phrase is not written down yet');
  await expect(banner).toBeVisible();
  await visitor.reload();
  await expect(banner).toBeVisible();
  await visitor.link('Write it down').click();
  await visitor.button('Show recovery phrase').click();
  const items = visitor.page.getByRole('list', { name: 'Recovery phrase' }).getByRole('listitem');
  await expect(items).toHaveCount(24);
  const words = (await items.allInnerTexts()).map((text) => text.replace(/[^a-z]/g, ''));
  await visitor.button('I have written it down').click();
  await visitor.confirmPhrase(words);
  await visitor.open('/messages');
  await expect(visitor.button('New conversation')).toBeVisible();
  await expect(banner).toHaveCount(0);
});
