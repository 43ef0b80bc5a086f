// The focus after the focused element has gone, and the number of keys that lead through a long list.

import { expect, nextSecond, test, unique } from '../../support/fixtures.ts';
import type { Person } from '../../support/person.ts';

const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

test('a page change moves the focus to the heading of the new page', async ({ people }) => {
  const alice = await people.join('alice');
  await alice.open('/settings');
  await expect(alice.button('Show recovery phrase')).toBeVisible();
  await alice.link('Security').click();
  await expect(alice.page.getByRole('heading', { level: 1 })).toBeFocused();
});

test('the title names the conversation', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  await alice.chatWith(peer.handle);
  await expect(alice.page).toHaveTitle(`@${peer.handle} · KEZ Chat`);
  await alice.open('/messages');
  await expect(alice.page).toHaveTitle('KEZ Chat');
});

test('the focus stays in place after Accept and Jump', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  for (let n = 0; n < 30; n++) await peer.say(alice.handle, `line ${n}`);
  await expect(alice.row(peer.handle)).toBeVisible();
  await alice.accept(peer.handle);
  await expect(alice.row(peer.handle)).toBeFocused();
  const thread = await alice.openChat(peer.handle);
  await expect(thread.messages).toHaveCount(30);
  await thread.messages.first().scrollIntoViewIfNeeded();
  await alice.page.getByRole('button', { name: /Jump to latest/ }).click();
  await expect(thread.log).toBeFocused();
});

test('Back on a phone focuses the row, and browser Back does not reopen the thread', async ({ people }) => {
  const alice = await people.join('alice', {}, PHONE);
  const peer = await people.peer('peer');
  await peer.say(alice.handle, 'hello');
  await alice.openChat(peer.handle);
  await expect(alice.thread(peer.handle).composer).toBeEnabled();
  await alice.link('Back').click();
  await expect(alice.row(peer.handle)).toBeFocused();
  await alice.page.goBack().catch(() => null);
  await expect(alice.page).not.toHaveURL(new RegExp(`/messages/${peer.handle}$`));
});

test('a list is one tab stop with arrow-key navigation', async ({ people }) => {
  const alice = await people.join('alice');
  const peers = [await people.peer('one'), await people.peer('two'), await people.peer('three')];
  for (const peer of peers) await peer.say(alice.handle, 'hello');
  await expect(alice.conversations().getByRole('link', { name: /^@/ })).toHaveCount(3);
  expect(await stops(alice, 'nav[aria-label=Conversations] .rows:has(a)')).toBe(1);
  const rows = alice.conversations().getByRole('link', { name: /^@/ });
  await rows.first().focus();
  await alice.page.keyboard.press('ArrowDown');
  await expect(rows.nth(1)).toBeFocused();
  await alice.page.keyboard.press('ArrowRight');
  await expect(alice.page.getByRole('button', { name: 'Accept', exact: true }).nth(1)).toBeFocused();
});

test('one message of the thread is a tab stop, each has a name, and only new ones are announced', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  const sent = unique('mine');
  await thread.send(sent);
  await thread.shows(sent, 'sent');
  const said = await peer.say(alice.handle, 'theirs');
  await thread.shows(said, 'received');
  // The message itself, and the menu of its actions.
  expect(await stops(alice, '[role=log]')).toBe(2);
  await expect(thread.message(said)).toHaveAccessibleName(new RegExp(`^@${peer.handle}: ${said}`));
  await expect(thread.log).toHaveAttribute('aria-live', 'off');
  await expect(alice.page.locator('.log-frame > [aria-live=polite]')).toHaveText(`@${peer.handle}: ${said}`);
  await thread.message(said).focus();
  await alice.page.keyboard.press('ArrowUp');
  await expect(thread.message(sent)).toBeFocused();
});

test('Alt+Down follows the visible order when there are requests', async ({ people }) => {
  const alice = await people.join('alice');
  const [known, stranger] = [await people.peer('known'), await people.peer('stranger')];
  await alice.chatWith(known.handle);
  await nextSecond();
  await stranger.say(alice.handle, 'hello');
  await expect(alice.row(stranger.handle)).toBeVisible();
  // The stranger wrote last, but requests come below the other conversations.
  await alice.page.keyboard.press('Alt+ArrowDown');
  await alice.page.waitForURL(`**/messages/${stranger.handle}`);
  await alice.page.keyboard.press('Alt+ArrowUp');
  await alice.page.waitForURL(`**/messages/${known.handle}`);
});

/** The number of tab stops below a selector. */
async function stops(person: Person, selector: string): Promise<number> {
  return person.page.locator(selector).first().evaluate((list) => {
    const all = [list, ...list.querySelectorAll<HTMLElement>('a, button, [tabindex], textarea, input')] as HTMLElement[];
    return all.filter((element) => element.tabIndex >= 0 && element.matches('a, button, [tabindex], textarea, input')).length;
  });
}
