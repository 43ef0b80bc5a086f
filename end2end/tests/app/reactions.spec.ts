// Reactions to messages: set, seen by the other side, withdrawn, kept across a reload.

import type { Locator } from '@playwright/test';

import type { Person } from '../../support/person.ts';
import { expectAccessible } from '../../support/axe.ts';
import { expect, test, unique } from '../../support/fixtures.ts';
import { createGroup, openGroup } from '../../support/group.ts';

/** The button of a reaction below a message. */
const reaction = (message: Locator, name: string) =>
  message.getByRole('list', { name: 'Reactions' }).getByRole('button', { name, exact: true });

/** Opens the dialog "React" for a message. */
async function reactDialog(person: Person, message: Locator): Promise<Locator> {
  await message.getByRole('button', { name: 'Message actions', exact: true }).click();
  await person.page.getByRole('menuitem', { name: 'React', exact: true }).click();
  return person.page.getByRole('dialog', { name: 'React' });
}

async function react(person: Person, message: Locator, emoji: string): Promise<void> {
  const dialog = await reactDialog(person, message);
  await dialog.getByRole('button', { name: emoji, exact: true }).click();
  await expect(dialog).toHaveCount(0);
}

/** Reacts with an emoji that is typed. */
async function type(person: Person, message: Locator, emoji: string): Promise<void> {
  const dialog = await reactDialog(person, message);
  await dialog.getByRole('textbox', { name: 'Emoji', exact: true }).fill(emoji);
  await dialog.getByRole('button', { name: 'React', exact: true }).click();
  await expect(dialog).toHaveCount(0);
}

test('a reaction appears on both sides and disappears when it is withdrawn', async ({ people }) => {
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

test('every emoji can be typed, and other text is refused', async ({ people }) => {
  const [alice, bob] = [await people.join('alice'), await people.join('bob')];
  const thread = await alice.chatWith(bob.handle);
  const text = unique('lunch');
  await thread.send(text);
  await thread.shows(text, 'sent');
  const other = await bob.openChat(alice.handle);
  await other.shows(text, 'received');
  await bob.button('Accept').click();

  const dialog = await reactDialog(bob, other.message(text));
  const field = dialog.getByRole('textbox', { name: 'Emoji', exact: true });
  for (const wrong of ['', 'two words', '👍'.repeat(9)]) {
    await field.fill(wrong);
    await dialog.getByRole('button', { name: 'React', exact: true }).click();
    await expect(dialog.getByRole('alert'), wrong).toContainText('Enter one emoji');
  }
  await expectAccessible(bob.page, 'refused');
  await field.fill('🦔');
  await expect(dialog.getByRole('alert')).toHaveCount(0);
  await field.press('Enter');
  await expect(dialog).toHaveCount(0);
  await expect(reaction(other.message(text), '🦔, 1: You')).toHaveAttribute('aria-pressed', 'true');
  await expect(reaction(thread.message(text), `🦔, 1: @${bob.handle}`)).toBeVisible();

  // A family is one emoji of several characters.
  await type(bob, other.message(text), '🧑‍🧑‍🧒‍🧒');
  await expect(reaction(thread.message(text), `🧑‍🧑‍🧒‍🧒, 1: @${bob.handle}`)).toBeVisible();
});

test('a ninth reaction is refused with a sentence', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  const text = await peer.say(alice.handle, 'fruit');
  await thread.shows(text, 'received');
  const message = thread.message(text);
  for (const emoji of ['🍏', '🍐', '🍊', '🍋', '🍌', '🍉', '🍇', '🍓']) {
    await type(alice, message, emoji);
    await expect(reaction(message, `${emoji}, 1: You`)).toBeVisible();
  }

  const refusal = alice.page.getByRole('status').filter({ hasText: 'You have reacted eight times already.' });
  await react(alice, message, '👍');
  await expect(refusal).toBeVisible();
  await expect(reaction(message, '👍, 1: You')).toHaveCount(0);
  await refusal.getByRole('button', { name: 'Dismiss' }).click();
  await expect(refusal).toHaveCount(0);

  await reaction(message, '🍏, 1: You').click();
  await expect(reaction(message, '🍏, 1: You')).toHaveCount(0);
  await react(alice, message, '👍');
  await expect(reaction(message, '👍, 1: You')).toBeVisible();
  await expect(refusal).toHaveCount(0);
});

test('the message menu takes no extra line and works by keyboard and touch', async ({ people }) => {
  for (const options of [{}, { viewport: { width: 320, height: 640 }, hasTouch: true, isMobile: true }]) {
    const alice = await people.join('alice', {}, options);
    const peer = await people.peer('peer');
    const thread = await alice.chatWith(peer.handle);
    const text = unique('hello');
    await thread.send(text);
    await thread.shows(text, 'sent');
    const message = thread.message(text);
    const actions = message.getByRole('button', { name: 'Message actions', exact: true });
    const [bubble, button] = [(await message.boundingBox())!, (await actions.boundingBox())!];
    expect(button.x + button.width, 'beside the message').toBeLessThanOrEqual(bubble.x + 2);
    expect(button.x, 'on the screen').toBeGreaterThanOrEqual(0);
    expect(bubble.height, 'a line of text and a line with the time').toBeLessThan(80);
    if (options.hasTouch) {
      await expect(actions.locator('..')).toHaveCSS('opacity', '1');
      await actions.tap();
    } else {
      await message.focus();
      await expect(actions.locator('..')).toHaveCSS('opacity', '1');
      await alice.page.keyboard.press('Tab');
      await expect(actions).toBeFocused();
      await alice.page.keyboard.press('Enter');
    }
    const item = alice.page.getByRole('menuitem', { name: 'React', exact: true });
    await expect(item).toBeFocused();
    await expect(item).toBeInViewport({ ratio: 0.9 });
  }
});

test('members of a group react, and see who did', async ({ people }) => {
  const [alice, bob, carol] = [await people.join('alice'), await people.join('bob'), await people.join('carol')];
  const name = unique('Reactions');
  const ofAlice = await createGroup(alice, name, [bob.handle, carol.handle]);
  const [ofBob, ofCarol] = [await openGroup(bob, name), await openGroup(carol, name)];
  const text = unique('lunch?');
  await ofAlice.send(text);
  for (const [person, thread] of [[bob, ofBob], [carol, ofCarol]] as const) {
    await thread.shows(text, 'received');
    await expect(thread.message(text).getByRole('button', { name: 'Message actions', exact: true })).toHaveCount(0);
    await person.button('Accept').click();
  }
  await react(bob, ofBob.message(text), '👍');
  await reaction(ofCarol.message(text), `👍, 1: @${bob.handle}`).click();
  const both = [bob.handle, carol.handle].map((handle) => `@${handle}`);
  const seen = ofAlice.message(text).getByRole('button', { name: /^👍, 2: / });
  for (const one of both) await expect(seen).toHaveAccessibleName(new RegExp(one));
  await expectAccessible(alice.page, 'reactions in a group');
  await expect(reaction(ofBob.message(text), `👍, 2: You, ${both[1]}`)).toHaveAttribute('aria-pressed', 'true');
  await carol.reload();
  await expect(reaction(ofCarol.message(text), `👍, 2: You, ${both[0]}`)).toBeVisible();
});
