// A second browser is linked with a code: it gets the history, has a name, and is out once it is removed.

import { expectAccessible } from '../../support/axe.ts';
import { expect, test, unique } from '../../support/fixtures.ts';
import type { Person } from '../../support/person.ts';

const devices = (person: Person) =>
  person.page.getByRole('list', { name: 'Devices', exact: true }).getByRole('listitem');

/** Shows the code of a new browser. */
async function offer(person: Person): Promise<string> {
  await person.open('/');
  await person.page.getByRole('link', { name: 'Link to another browser', exact: true }).click();
  await expect(person.page.getByRole('heading', { name: 'Link this browser', exact: true })).toBeVisible();
  await person.button('Continue').click();
  const code = person.page.getByRole('status', { name: 'Code' });
  await expect(code).toHaveText(/^[0-9A-Z]{5}(-[0-9A-Z]{5}){3}$/);
  await expect(person.page.getByRole('img', { name: 'QR code' })).toBeVisible();
  return (await code.textContent()) ?? '';
}

test('a second browser is linked with its history, named, and removed', async ({ people }) => {
  const [alice, bob] = [await people.join('alice'), await people.join('bob')];
  const toBob = await alice.chatWith(bob.handle);
  const [question, answer] = [unique('question'), unique('answer')];
  await toBob.send(question);
  const toAlice = await bob.openChat(alice.handle);
  await toAlice.send(answer);
  await toBob.shows(answer, 'received');

  const phone = await people.visitor();
  const code = await offer(phone);
  await expectAccessible(phone.page, 'the code of a new browser');
  await alice.open('/settings');
  await alice.button('Link a device').click();
  await alice.textbox('Code').fill('K7QXM-2R9VD-WT4HB-N8ZPC');
  await alice.button('Continue').click();
  await expect(alice.page.getByRole('alert').filter({ hasText: 'No browser shows this code' })).toBeVisible();
  await alice.textbox('Code').fill(code.toLowerCase());
  await alice.button('Continue').click();
  await expect(alice.page.getByText(`Link this browser to @${alice.handle}?`)).toBeVisible();
  await expectAccessible(alice.page, 'the question before a link');
  await alice.button('Link').click();
  await phone.page.waitForURL('**/messages');
  await expect(alice.page.getByText('The browser is linked.')).toBeVisible();
  await alice.button('Done').click();

  const fromPhone = await phone.openChat(bob.handle);
  await fromPhone.showsInOrder([question, answer]);
  await fromPhone.shows(question, 'sent');
  await fromPhone.shows(answer, 'received');

  await phone.open('/settings');
  await expect(devices(phone)).toHaveCount(2);
  await expect(phone.page.getByText('It does not have your recovery phrase.')).toBeVisible();
  await expect(phone.button('Show recovery phrase')).toHaveCount(0);
  await expect(phone.button('Delete account')).toHaveCount(0);
  await alice.button('Rename Browser 2').click();
  const dialog = alice.page.getByRole('dialog', { name: 'Rename Browser 2' });
  await dialog.getByRole('textbox', { name: 'Name', exact: true }).fill('Phone');
  await dialog.getByRole('button', { name: 'Save', exact: true }).click();
  await expect(devices(alice)).toContainText([/^Browser 1/, /^Phone/]);
  await expect(devices(phone)).toContainText([/^Browser 1/, /^Phone/]);
  await phone.reload();
  await expect(devices(phone)).toContainText([/^Browser 1/, /^Phone/]);

  await alice.button('Remove Phone').click();
  const asks = alice.page.getByRole('alertdialog', { name: 'Remove Phone?' });
  await asks.getByRole('button', { name: 'Remove', exact: true }).click();
  await expect(devices(alice)).toHaveCount(1);
  const gone = phone.page.getByRole('alert').filter({ hasText: 'This browser was removed from your account.' });
  await expect(gone).toBeVisible();
});

test('the address in the QR code opens the question in a browser that has the account', async ({ people }) => {
  const alice = await people.join('alice');
  const phone = await people.visitor();
  const code = await offer(phone);
  await alice.open(`/settings#link=${code.replaceAll('-', '')}`);
  await expect(alice.page.getByText(`Link this browser to @${alice.handle}?`)).toBeVisible();
  expect(new URL(alice.page.url()).hash).toBe('');
  await alice.button('Cancel').click();
  await expect(alice.button('Link a device')).toBeVisible();
  await phone.button('Cancel').click();
  await expect(phone.textbox('Passphrase')).toBeVisible();
});
