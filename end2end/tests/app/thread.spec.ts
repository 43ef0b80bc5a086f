import { expect, test, unique } from '../../support/fixtures.ts';
import { hashOf } from '../../support/peer.ts';

test('days are separated', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  const text = unique('today');
  await thread.send(text);
  await thread.shows(text, 'sent');
  await expect(thread.log.getByText('Today', { exact: true })).toBeVisible();
});

test('a long thread keeps its position, and a pill jumps to new messages', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  let last = '';
  for (let n = 1; n <= 40; n++) last = await peer.say(alice.handle, `line ${n}`);
  await expect(thread.messages).toHaveCount(40);
  await expect(thread.message(last)).toBeInViewport();
  const below = () => document.scrollingElement!.scrollHeight - window.innerHeight;
  expect(await alice.page.evaluate(below), 'only the thread scrolls').toBeLessThanOrEqual(0);

  const pill = alice.page.getByRole('button', { name: /Jump to latest/ });
  await expect(pill).toBeHidden();
  await thread.messages.first().scrollIntoViewIfNeeded();
  await expect(pill).toBeVisible();
  const fresh = await peer.say(alice.handle, 'news');
  await expect(thread.message(fresh)).toHaveCount(1);
  await expect(thread.message(fresh)).not.toBeInViewport();
  await expect(pill).toHaveAccessibleName(/\b1\b/);
  await pill.click();
  await expect(thread.message(fresh)).toBeInViewport();
  await expect(pill).toBeHidden();
});

test('loading older history keeps the reading position', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  await alice.chatWith(peer.handle);
  const texts: string[] = [];
  for (let n = 1; n <= 124; n++) texts.push(await peer.say(alice.handle, `history ${n}`));
  await alice.open(`/messages/${peer.handle}`);
  const thread = alice.thread(peer.handle);
  await expect(thread.message(texts.at(-1)!)).toBeInViewport();
  await expect(thread.messages).toHaveCount(74);

  const anchor = thread.message(texts[60]!);
  const distance = await anchor.evaluate((row) => new Promise<number>((resolve) => {
    const log = row.closest('[role=log]')!;
    const scroller = [log, log.parentElement!].find((one) => one.scrollHeight > one.clientHeight)!;
    scroller.scrollTop = 0;
    const before = row.getBoundingClientRect().top;
    new MutationObserver((_, observer) => {
      if (log.querySelectorAll('article').length <= 74) return;
      observer.disconnect();
      requestAnimationFrame(() => requestAnimationFrame(() => resolve(Math.abs(row.getBoundingClientRect().top - before))));
    }).observe(log, { childList: true, subtree: true });
  }));
  await expect(thread.messages).toHaveCount(124);
  expect(distance).toBeLessThanOrEqual(1);
});

test('a message is shown as written, with safe links, literal markup and its own direction', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  const requested: string[] = [];
  alice.context.on('request', (request) => requested.push(request.url()));

  const markup = unique('<img src=x onerror=alert(1)> <b>bold</b>');
  await peer.deliver(alice.handle, peer.seal(await peer.primaryOf(alice.handle), markup));
  await thread.shows(markup, 'received');
  await expect(thread.log.locator('img, b')).toHaveCount(0);

  const address = `https://links.example/${Date.now()}`;
  await peer.deliver(alice.handle, peer.seal(await peer.primaryOf(alice.handle), `see ${address} or javascript:alert(1)`));
  const link = thread.log.getByRole('link', { name: address });
  await expect(link).toHaveAttribute('href', address);
  await expect(link).toHaveAttribute('rel', /noopener/);
  await expect(thread.log.getByRole('link')).toHaveCount(1);

  const hebrew = unique('שלום');
  await peer.deliver(alice.handle, peer.seal(await peer.primaryOf(alice.handle), hebrew));
  await expect(thread.message(hebrew).locator('[dir=auto]').first()).toBeVisible();
  expect(requested.filter((url) => url.includes('links.example'))).toEqual([]);
});

test('a gap in received messages is shown', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  const primary = await peer.primaryOf(alice.handle);
  const id = '00112233aabbccdd';
  const one = peer.seal(primary, unique('chained 1'), { id, n: 1, prev: null });
  const two = peer.seal(primary, unique('chained 2'), { id, n: 2, prev: hashOf(one) });
  const three = peer.seal(primary, unique('chained 3'), { id, n: 3, prev: hashOf(two) });
  await peer.deliver(alice.handle, one);
  await peer.deliver(alice.handle, three);
  await expect(thread.messages).toHaveCount(2);
  await expect(thread.log.getByText('1 message missing')).toBeVisible();
  await peer.deliver(alice.handle, two);
  await expect(thread.messages).toHaveCount(3);
  await expect(thread.log.getByText(/message missing/)).toHaveCount(0);
  await expect(thread.log.getByText(/does not fit/)).toHaveCount(0);

  // The third message again with other words: one of the two contradicts the sender's chain.
  await peer.deliver(alice.handle, peer.seal(primary, unique('instead of 3'), { id, n: 3, prev: hashOf(two) }));
  await expect(thread.log.getByText(/does not fit/)).toHaveCount(1);
});
