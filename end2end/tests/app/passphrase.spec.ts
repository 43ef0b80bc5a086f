import { expect, test } from '../../support/fixtures.ts';
import { mustStaySecret } from '../../support/evidence.ts';

test('a passphrase is set, changed and removed in the settings', async ({ people }) => {
  const alice = await people.join('alice');
  const [first, second] = ['set in the settings', 'changed in the settings'];
  [first, second].forEach((passphrase) => mustStaySecret(passphrase));
  const alert = (text: string) => alice.page.getByRole('alert').filter({ hasText: text });
  await alice.open('/settings');
  await expect(alice.button('Lock now')).toBeDisabled();
  await alice.textbox('New passphrase').fill(first);
  await alice.textbox('Repeat new passphrase').fill('another');
  await alice.button('Set passphrase').click();
  await expect(alert('do not match')).toBeVisible();
  await alice.textbox('Repeat new passphrase').fill(first);
  await alice.button('Set passphrase').click();
  await expect(alice.button('Lock now')).toBeEnabled();
  await alice.reload();
  await alice.unlock(first);

  await alice.textbox('Current passphrase').fill('wrong');
  await alice.textbox('New passphrase').fill(second);
  await alice.textbox('Repeat new passphrase').fill(second);
  await alice.button('Change passphrase').click();
  await expect(alert('current passphrase is wrong')).toBeVisible();
  await alice.textbox('Current passphrase').fill(first);
  await alice.button('Change passphrase').click();
  await expect(alice.page.getByRole('status').filter({ hasText: 'Your passphrase was changed.' })).toBeVisible();
  await alice.reload();
  await alice.unlock(second);

  await alice.textbox('Current passphrase').fill(second);
  await alice.button('Remove passphrase').click();
  await expect(alice.button('Lock now')).toBeDisabled();
  await alice.reload();
  await expect(alice.button('Show recovery phrase')).toBeVisible();
});

test('a passphrase matches however the keyboard composes accents', async ({ people }) => {
  const [composed, decomposed] = ['caf\u00e9 \u1e69 \uac00', 'cafe\u0301 s\u0323\u0307 \u1100\u1161'];
  [composed, decomposed].forEach((passphrase) => mustStaySecret(passphrase));
  const alice = await people.join('alice', { passphrase: composed });
  await alice.reload();
  await alice.unlock(decomposed);
  await alice.reload();
  await alice.unlock(composed);
});

test('the account locks itself after the chosen time without activity', async ({ people }) => {
  const alice = await people.visitor();
  await alice.page.clock.install();
  await alice.join(`idle-${Date.now()}`, { passphrase: 'a passphrase for idle' });
  await alice.open('/settings');
  await alice.unlock('a passphrase for idle');
  await alice.page.getByRole('radio', { name: '5 minutes' }).check();
  await alice.page.clock.runFor('04:00');
  await expect(alice.button('Lock now')).toBeEnabled();
  await alice.page.clock.runFor('01:30');
  await expect(alice.button('Unlock')).toBeVisible();
});
