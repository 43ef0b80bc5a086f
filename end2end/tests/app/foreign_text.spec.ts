// Texts made to freeze the page, to paint over others, or to look like something else.

import { expect, test, unique } from '../../support/fixtures.ts';
import type { Person } from '../../support/person.ts';
import type { Peer } from '../../support/peer.ts';

/** The longest time that a text may block the page, in milliseconds. A quiet machine needs less than 100, but this one runs
 * other tests at the same time. Without limits, such a text takes seconds to minutes. */
const LONGEST_TASK = 400;

for (const [what, text] of [
  ['a pile of accents', `a${'\u0301'.repeat(80_000)}`],
  ['thousands of addresses', 'http://aa.bc '.repeat(14_000)],
  ['thousands of lines', 'x\n'.repeat(30_000)],
] as const) {
  test(`${what}: the page goes on`, async ({ people }) => {
    test.setTimeout(120_000);
    const alice = await people.join('alice');
    const peer = await people.peer('peer');
    const thread = await alice.chatWith(peer.handle);
    await thread.shows(await peer.say(alice.handle, 'before'), 'received');
    await watchTasks(alice);
    await deliver(peer, alice, text);
    await expect(thread.messages).toHaveCount(2);
    const after = await peer.say(alice.handle, 'after');
    await thread.shows(after, 'received');
    expect(await longestTask(alice)).toBeLessThan(LONGEST_TASK);
  });
}

test('a long text is cut until "Show all" is pressed', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  await deliver(peer, alice, `${'word '.repeat(10_000)}the end`);
  await expect(thread.messages).toHaveCount(1);
  await expect(thread.messages).not.toContainText('the end');
  await thread.messages.getByRole('button', { name: 'Show all' }).click();
  await expect(thread.messages).toContainText('the end');
  await expect(thread.messages.getByRole('button', { name: 'Show all' })).toHaveCount(0);
});

test('accents stay within their row', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  const plain = await peer.say(alice.handle, 'plain');
  await thread.shows(plain, 'received');
  // The button of a message's actions may look otherwise once another message is the tab stop.
  const look = { animations: 'disabled' as const, mask: [thread.log.getByRole('button')] };
  const before = await thread.message(plain).screenshot(look);
  await deliver(peer, alice, `a${'\u0301'.repeat(30)} b${'\u0316'.repeat(30)}`);
  await expect(thread.messages).toHaveCount(2);
  const [row] = await thread.messages.nth(1).evaluateAll((rows) => rows.map((row) => {
    const text = row.querySelector('.message-text')!;
    return { overflow: getComputedStyle(text).overflowY };
  }));
  expect(row!.overflow).toBe('clip');
  expect((await thread.message(plain).screenshot(look)).equals(before)).toBe(true);
});

test('a link among bidi marks shows the address that it opens', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  await deliver(peer, alice, 'Look: \u202ehttps://evil.example/moc.knab//:sptth');
  const link = thread.log.getByRole('link');
  await expect(link).toHaveAttribute('href', 'https://evil.example/moc.knab//:sptth');
  // The start of the address is to the left of its end.
  const [start, end] = await link.evaluate((link) => {
    const texts = document.createTreeWalker(link, NodeFilter.SHOW_TEXT);
    const all: Text[] = [];
    while (texts.nextNode()) if (texts.currentNode.textContent) all.push(texts.currentNode as Text);
    const place = (text: Text, at: number) => {
      const range = document.createRange();
      range.setStart(text, at);
      range.setEnd(text, at + 1);
      return range.getBoundingClientRect().left;
    };
    return [place(all[0]!, 0), place(all.at(-1)!, all.at(-1)!.length - 1)];
  });
  expect(start).toBeLessThan(end!);
});

test('user info and mixed scripts in links are made visible', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  await deliver(peer, alice, 'https://bank.example@evil.example/');
  await expect(thread.messages.nth(0)).toContainText('leads to evil.example');
  await deliver(peer, alice, 'https://b\u0430nk.example/login');
  await expect(thread.messages.nth(1)).toContainText('https://xn--bnk-6cd.example/login');
});

test('bare domains become links', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  await deliver(peer, alice, 'see kez.lat/about, not main.rs');
  await expect(thread.log.getByRole('link')).toHaveCount(1);
  await expect(thread.log.getByRole('link')).toHaveAttribute('href', 'https://kez.lat/about');
});

test('phrases and keys are not translated', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  const text = unique('hello');
  await thread.send(text);
  await thread.shows(text, 'sent');
  const untranslated = (selector: string) =>
    alice.page.locator(selector).first().evaluate((element) => (element as HTMLElement).translate);
  expect(await untranslated('.message-text')).toBe(false);
  expect(await untranslated('.thread-header h2')).toBe(false);
  expect(await untranslated('.row-name')).toBe(false);
  await alice.button('Verify').click();
  expect(await untranslated('.digits')).toBe(false);
  await alice.open('/settings');
  await alice.button('Show recovery phrase').click();
  expect(await untranslated('.words')).toBe(false);
  expect(await untranslated('.key')).toBe(false);
});

async function deliver(peer: Peer, to: Person, text: string): Promise<void> {
  await peer.deliver(to.handle, peer.seal(await peer.primaryOf(to.handle), text));
}

async function watchTasks(person: Person): Promise<void> {
  await person.page.evaluate(() => {
    const seen = globalThis as unknown as { longest: number };
    seen.longest = 0;
    new PerformanceObserver((list) => {
      for (const task of list.getEntries()) seen.longest = Math.max(seen.longest, task.duration);
    }).observe({ entryTypes: ['longtask'] });
  });
}

async function longestTask(person: Person): Promise<number> {
  return person.page.evaluate(() => (globalThis as unknown as { longest: number }).longest);
}
