import type { Person } from '../../support/person.ts';
import { expect, test, unique } from '../../support/fixtures.ts';

test('both sides see the same safety number, and a verified contact is marked', async ({ people }) => {
  const [alice, bob, carol] = [await people.join('alice'), await people.join('bob'), await people.join('carol')];
  const toBob = await alice.chatWith(bob.handle);
  const text = unique('hello');
  await toBob.send(text);
  await toBob.shows(text, 'sent');
  await bob.openChat(alice.handle);
  const number = await safetyNumber(alice, bob.handle);
  expect(number).toHaveLength(60);
  expect(await safetyNumber(bob, alice.handle)).toBe(number);

  await carol.chatWith(bob.handle);
  expect(await safetyNumber(carol, bob.handle)).not.toBe(number);

  await verify(alice, bob.handle).getByRole('button', { name: 'Mark as verified' }).click();
  await alice.page.keyboard.press('Escape');
  await expect(alice.row(bob.handle).getByText(/verified/i)).toBeAttached();
  await alice.reload();
  await expect(alice.row(bob.handle).getByText(/verified/i)).toBeAttached();
});

function verify(person: Person, handle: string) {
  return person.page.getByRole('dialog', { name: `Verify @${handle}`, exact: true });
}

/** Opens the dialog, leaves it open, and returns the digits of the safety number. */
async function safetyNumber(person: Person, handle: string): Promise<string> {
  await person.button('Verify').or(person.link('Verify')).click();
  const dialog = verify(person, handle);
  await expect(dialog).toBeVisible();
  const groups = (await dialog.innerText()).match(/\b\d{5}\b/g) ?? [];
  expect(groups).toHaveLength(12);
  return groups.join('');
}
