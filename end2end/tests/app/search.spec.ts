// Search over names and messages, and the ways to a message: a hit, its address, a date.

import type { Locator, Page } from '@playwright/test';

import type { Person } from '../../support/person.ts';
import { expectAccessible } from '../../support/axe.ts';
import { expect, test, unique } from '../../support/fixtures.ts';

const searchbox = (person: Person) => person.page.getByRole('searchbox', { name: 'Search', exact: true });
const results = (person: Person) => person.page.getByRole('region', { name: 'Search results', exact: true });
const status = (person: Person, text: string) => person.page.getByRole('status').filter({ hasText: text });

/** The links of one of the two lists of results. */
const found = (person: Person, list: 'People' | 'Messages') =>
  results(person).getByRole('list', { name: list, exact: true }).getByRole('link');

async function choose(person: Person, item: string): Promise<void> {
  await person.button('Conversation menu').click();
  await person.page.getByRole('menuitem', { name: item, exact: true }).click();
}

async function isShown(message: Locator): Promise<void> {
  await expect(message).toBeInViewport();
  await expect(message).toBeFocused();
}

test('part of a word finds a message regardless of case and accents', async ({ people }) => {
  const [alice, bob] = [await people.join('alice'), await people.join('bob')];
  const thread = await alice.chatWith(bob.handle);
  const text = unique('The Crème Brûlée was good');
  await thread.send(text);
  await thread.shows(text, 'sent');
  const other = await bob.openChat(alice.handle);
  await other.shows(text, 'received');
  await bob.button('Accept').click();

  await searchbox(alice).fill('BRULE');
  await expect(found(alice, 'Messages')).toHaveCount(1);
  await expect(found(alice, 'Messages')).toHaveText(new RegExp(`^@${bob.handle}, .+, you: .*Crème Brûlée was`));
  await expect(results(alice).locator('mark')).toHaveText('Brûlé');
  await expect(status(alice, '1 match')).toBeVisible();
  await expect(alice.row(bob.handle), 'the hit alone stands in place of the list').toHaveCount(1);

  await searchbox(bob).fill('good rème');
  await expect(found(bob, 'Messages')).toHaveText(new RegExp(`^@${alice.handle}, [^:]+: .*Crème`));
  await expect(found(bob, 'Messages')).not.toContainText('you:');
  await expect(results(bob).locator('mark')).toHaveText(['rème', 'good']);
  await found(bob, 'Messages').click();
  await isShown(other.message(text));
});

test('a hit jumps to an old message, repeatedly and from another conversation', async ({ people }) => {
  const alice = await people.join('alice');
  const [peer, second] = [await people.peer('peer'), await people.peer('second')];
  const thread = await alice.chatWith(peer.handle);
  const needle = await peer.say(alice.handle, 'the needle');
  let last = '';
  for (let n = 0; n < 40; n++) last = await peer.say(alice.handle, `line ${n}`);
  await expect(thread.messages).toHaveCount(41);
  await expect(thread.message(last)).toBeInViewport();
  await expect(thread.message(needle)).not.toBeInViewport();

  await searchbox(alice).fill('needle');
  await found(alice, 'Messages').click();
  await isShown(thread.message(needle));
  await expect(thread.message(needle)).toHaveClass(/message-found/);
  await expect(thread.message(needle)).not.toHaveClass(/message-found/);
  await expect(found(alice, 'Messages'), 'the results stay').toHaveCount(1);

  const news = await peer.say(alice.handle, 'news');
  await expect(thread.message(news)).toHaveCount(1);
  await expect(thread.message(needle), 'a new message leaves the place alone').toBeInViewport();
  await alice.page.getByRole('button', { name: /Jump to latest/ }).click();
  await expect(thread.message(news)).toBeInViewport();
  await found(alice, 'Messages').click();
  await isShown(thread.message(needle));

  await alice.chatWith(second.handle);
  await found(alice, 'Messages').click();
  await alice.page.waitForURL(`**/messages/${peer.handle}`);
  await isShown(thread.message(needle));

  const address = await found(alice, 'Messages').getAttribute('href');
  expect(address).toMatch(new RegExp(`^/messages/${peer.handle}#m-.+`));
  const tab = await alice.newTab(address!);
  await isShown(alice.thread(peer.handle, tab).message(needle));
});

test('people are found, and Esc ends the search and restores the focus', async ({ people }) => {
  const alice = await people.join('alice');
  const [one, two] = [await people.peer('first'), await people.peer('second')];
  await alice.chatWith(one.handle);
  const thread = await alice.chatWith(two.handle);
  await expect(thread.composer).toBeEnabled();
  await thread.composer.focus();

  await alice.page.keyboard.press('Control+Shift+f');
  await expect(searchbox(alice)).toBeFocused();
  await alice.page.keyboard.type('firs');
  await expect(found(alice, 'People')).toHaveCount(1);
  await expect(found(alice, 'People')).toHaveAttribute('href', `/messages/${one.handle}`);
  await found(alice, 'People').click();
  await alice.page.waitForURL(`**/messages/${one.handle}`);

  await searchbox(alice).fill('nothing-like-this?');
  await expect(status(alice, 'No match')).toBeVisible();
  await expect(results(alice)).toBeAttached();
  await expect(results(alice).getByRole('link')).toHaveCount(0);

  const composer = alice.thread(one.handle).composer;
  await expect(composer).toBeEnabled();
  await composer.focus();
  await alice.page.keyboard.press('Control+Shift+f');
  await alice.page.keyboard.press('Escape');
  await expect(searchbox(alice)).toHaveValue('');
  await expect(results(alice)).toHaveCount(0);
  await expect(status(alice, 'No match')).toHaveCount(0);
  await expect(composer).toBeFocused();
  for (const handle of [one.handle, two.handle]) await expect(alice.row(handle)).toBeVisible();
});

test('the keyboard moves from the search box through the hits to a message', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  const older = await peer.say(alice.handle, 'apples');
  await thread.shows(older, 'received');
  const newer = await peer.say(alice.handle, 'more apples');
  await thread.shows(newer, 'received');

  await thread.composer.focus();
  await alice.page.keyboard.press('Control+Shift+f');
  await alice.page.keyboard.type('apples');
  await expect(found(alice, 'Messages')).toHaveCount(2);
  await expect(thread.composer).toHaveValue('');
  await alice.page.keyboard.press('ArrowDown');
  await expect(found(alice, 'Messages').first()).toBeFocused();
  await expect(found(alice, 'Messages').first(), 'the newest is first').toContainText('more apples');
  await alice.page.keyboard.press('ArrowDown');
  await alice.page.keyboard.press('Enter');
  await isShown(thread.message(older));
  await alice.page.keyboard.press('ArrowDown');
  await expect(thread.message(newer)).toBeFocused();
  await alice.page.keyboard.type('hi');
  await expect(thread.composer).toHaveValue('hi');

  await alice.page.keyboard.press('Control+/');
  const sheet = alice.page.getByRole('dialog', { name: 'Keyboard shortcuts' });
  await expect(sheet.getByText('Search', { exact: true })).toBeVisible();
  await alice.page.keyboard.press('Control+Shift+f');
  await expect(searchbox(alice), 'the dialog keeps the focus').not.toBeFocused();
});

test('the search can be limited to one conversation', async ({ people }) => {
  const alice = await people.join('alice');
  const [one, two] = [await people.peer('first'), await people.peer('second')];
  await alice.chatWith(one.handle);
  const here = await one.say(alice.handle, 'saturday');
  await alice.thread(one.handle).shows(here, 'received');
  const thread = await alice.chatWith(two.handle);
  const there = await two.say(alice.handle, 'saturday');
  await thread.shows(there, 'received');

  await searchbox(alice).fill('saturday');
  await expect(found(alice, 'Messages')).toHaveCount(2);
  await choose(alice, 'Search in conversation');
  await expect(searchbox(alice)).toBeFocused();
  await expect(alice.page.getByText(`In @${two.handle}`, { exact: true })).toBeVisible();
  await expect(found(alice, 'Messages')).toHaveCount(1);
  await expect(found(alice, 'Messages')).toContainText(`@${two.handle}, `);

  await alice.button('Search everywhere').click();
  await expect(found(alice, 'Messages')).toHaveCount(2);
  await expect(alice.button('Search everywhere')).toHaveCount(0);
  await expect(searchbox(alice)).toBeFocused();

  await choose(alice, 'Search in conversation');
  await alice.page.keyboard.press('Escape');
  await expect(alice.button('Search everywhere'), 'Esc ends that, too').toHaveCount(0);
  await expect(searchbox(alice)).toHaveValue('');
  await expect(alice.button('Conversation menu')).toBeFocused();
});

test('on a small screen the search replaces the conversation, and a hit returns to it', async ({ people }) => {
  const alice = await people.join('alice', {}, { viewport: { width: 320, height: 640 }, hasTouch: true, isMobile: true });
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  const needle = await peer.say(alice.handle, `needle ${'w'.repeat(200)}`);
  for (let n = 0; n < 30; n++) await peer.say(alice.handle, `line ${n}`);
  await expect(thread.messages).toHaveCount(31);

  await choose(alice, 'Search in conversation');
  await expect(searchbox(alice)).toBeFocused();
  await expect(thread.composer).toBeHidden();
  await searchbox(alice).fill('needle');
  await expect(found(alice, 'Messages')).toHaveCount(1);
  await expectNoSidewaysScroll(alice.page);
  await found(alice, 'Messages').click();
  await alice.page.waitForURL(`**/messages/${peer.handle}`);
  await isShown(thread.message(needle));
  await expect(alice.conversations()).toBeHidden();
});

test('locking clears the search', async ({ people }) => {
  const passphrase = 'a passphrase for the search';
  const alice = await people.join('alice', { passphrase });
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  const text = await peer.say(alice.handle, 'behind the lock');
  await thread.shows(text, 'received');
  await searchbox(alice).fill('behind');
  await expect(found(alice, 'Messages')).toHaveCount(1);

  const settings = await alice.newTab('/settings');
  await settings.getByRole('button', { name: 'Lock now', exact: true }).click();
  await expect(alice.button('Unlock')).toBeVisible();
  await expect(alice.page.getByText('behind')).toHaveCount(0);
  await alice.unlock(passphrase);
  await thread.shows(text, 'received');
  await expect(searchbox(alice)).toHaveValue('');
  await expect(results(alice)).toHaveCount(0);
});

test('"Go to date" jumps to the first message on or after that day', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  const oldest = await peer.say(alice.handle, 'the oldest');
  for (let n = 0; n < 30; n++) await peer.say(alice.handle, `line ${n}`);
  await expect(thread.messages).toHaveCount(31);
  await expect(thread.message(oldest)).not.toBeInViewport();

  await choose(alice, 'Go to date');
  const dialog = alice.page.getByRole('dialog', { name: 'Go to date' });
  await expectAccessible(alice.page, 'go to date');
  await dialog.getByLabel('Date', { exact: true }).fill('2020-01-01');
  await dialog.getByRole('button', { name: 'Go', exact: true }).click();
  await expect(dialog).toHaveCount(0);
  await isShown(thread.message(oldest));
});

for (const colorScheme of ['light', 'dark'] as const) {
  test(`results are accessible, ${colorScheme}`, async ({ people }) => {
    const alice = await people.join('alice', {}, { colorScheme });
    const peer = await people.peer('peer');
    const thread = await alice.chatWith(peer.handle);
    const theirs = await peer.say(alice.handle, 'hello peer');
    await thread.shows(theirs, 'received');
    const mine = unique('peerless');
    await thread.send(mine);
    await thread.shows(mine, 'sent');
    await searchbox(alice).fill('peer');
    await expect(found(alice, 'People')).toHaveCount(1);
    await expect(found(alice, 'Messages')).toHaveCount(2);
    await expectAccessible(alice.page, 'results');
    await choose(alice, 'Search in conversation');
    await expect(alice.button('Search everywhere')).toBeVisible();
    await found(alice, 'Messages').first().hover();
    await expectAccessible(alice.page, 'results of one conversation');
    await searchbox(alice).fill('nothing-like-this');
    await expect(status(alice, 'No match')).toBeVisible();
    await expectAccessible(alice.page, 'no match');
  });
}

async function expectNoSidewaysScroll(page: Page): Promise<void> {
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(beyond).toBeLessThanOrEqual(0);
}
