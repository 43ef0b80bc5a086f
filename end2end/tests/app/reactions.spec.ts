// Reactions to messages: set, seen by the other side, withdrawn, kept across a reload.

import type { Locator } from '@playwright/test';

import type { Person } from '../../support/person.ts';
import { expect, test } from '../../support/fixtures.ts';

/** The button of a reaction below a message. */
const reaction = (message: Locator, name: string) =>
  message.getByRole('list', { name: 'Reactions' }).getByRole('button', { name, exact: true });

async function react(person: Person, message: Locator, emoji: string): Promise<void> {
  await message.getByRole('button', { name: 'Message actions', exact: true }).click();
  await person.page.getByRole('menuitem', { name: 'React', exact: true }).click();
  const dialog = person.page.getByRole('dialog', { name: 'React' });
  await dialog.getByRole('button', { name: emoji, exact: true }).click();
  await expect(dialog).toHaveCount(0);
}

test('a reaction appears on both sides, and goes when it is withdrawn', async ({ people }) => {
  const [alice, bob] = [await people.join('alice'), await people.join('bob')];
  const thread = await alice.chatWith(bob.handle);
  await thread.send('lunch?');
  await thread.shows('lunch?', 'sent');
  const other = await bob.openChat(alice.handle);
  await other.shows('lunch?', 'received');
  await bob.button('Accept').click();

  await react(bob, other.message('lunch?'), '👍');
  await expect(reaction(other.message('lunch?'), '👍, 1: You')).toHaveAttribute('aria-pressed', 'true');
  const seen = reaction(thread.message('lunch?'), `👍, 1: @${bob.handle}`);
  await expect(seen).toHaveAttribute('aria-pressed', 'false');

  await seen.click();
  await expect(reaction(thread.message('lunch?'), `👍, 2: You, @${bob.handle}`)).toBeVisible();
  await expect(reaction(other.message('lunch?'), `👍, 2: You, @${alice.handle}`)).toBeVisible();
  await alice.reload();
  await expect(reaction(thread.message('lunch?'), `👍, 2: You, @${bob.handle}`)).toBeVisible();

  await reaction(other.message('lunch?'), `👍, 2: You, @${alice.handle}`).click();
  await expect(reaction(thread.message('lunch?'), '👍, 1: You')).toBeVisible();
  await expect(thread.messages, 'a reaction is no row').toHaveCount(1);
  await expect(thread.log.getByText('missing'), 'and leaves no gap').toHaveCount(0);
});
