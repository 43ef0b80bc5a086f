// Threads of hundreds of messages.

import { expect, test, unique } from '../../support/fixtures.ts';
import { interceptMessages } from '../../support/outgoing.ts';

test('a thread opens at the first of any number of unread messages', async ({ people }) => {
  test.setTimeout(120_000);
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  await alice.chatWith(peer.handle);
  await alice.open('/messages');
  const texts: string[] = [];
  for (let n = 0; n < 150; n++) texts.push(await peer.say(alice.handle, `unread ${n}`));
  await expect(alice.row(peer.handle).getByText('150 unread')).toHaveCount(1);
  const thread = await alice.openChat(peer.handle);
  await expect(thread.log.getByText('New messages', { exact: true })).toBeInViewport();
  await expect(thread.message(texts[0]!)).toBeInViewport();
});

test('a thread shows a bounded number of rows, and scrolling down reaches the newest', async ({ people }) => {
  test.setTimeout(180_000);
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  const texts: string[] = [];
  for (let n = 0; n < 420; n++) texts.push(await peer.say(alice.handle, `row ${n}`));
  await thread.shows(texts.at(-1)!, 'received');
  await thread.composer.focus();
  await alice.page.keyboard.press('Control+Home');
  await expect(thread.message(texts[0]!)).toBeInViewport();
  expect(await thread.messages.count()).toBeLessThanOrEqual(200);
  await expect(thread.composer).toBeFocused();
  await alice.page.keyboard.press('PageDown');
  await expect(thread.message(texts[0]!)).not.toBeInViewport();
  await alice.page.keyboard.press('PageUp');
  await expect(thread.message(texts[0]!)).toBeInViewport();
  await alice.page.keyboard.press('Control+End');
  await expect(thread.message(texts.at(-1)!)).toBeInViewport();
  await alice.page.keyboard.press('Control+Home');
  await expect(thread.message(texts[0]!)).toBeInViewport();
  await alice.page.keyboard.press('Escape');
  await expect(thread.message(texts.at(-1)!)).toBeInViewport();
  const answer = unique('answer');
  await thread.send(answer);
  await expect(thread.message(answer)).toBeInViewport();
});

test('the buttons of an unsent message are visible', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  for (let n = 0; n < 30; n++) await peer.say(alice.handle, `line ${n}`);
  await expect(thread.messages).toHaveCount(30);
  const no = { type: 'about:blank', title: 'no', status: 400, code: 'malformed', detail: 'no' };
  await interceptMessages(alice.context, (message) => message.refuse(no));
  alice.console.allow(/Failed to load resource/);
  const text = unique('refused');
  await thread.send(text);
  await thread.shows(text, 'failed');
  await expect(thread.message(text).getByRole('button', { name: 'Retry' })).toBeInViewport({ ratio: 1 });
  await expect(thread.message(text).getByRole('button', { name: 'Delete' })).toBeInViewport({ ratio: 1 });
});

test('copying several messages gives names and texts', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  const mine = unique('mine');
  await thread.send(mine);
  await thread.shows(mine, 'sent');
  const theirs = await peer.say(alice.handle, 'theirs');
  await thread.shows(theirs, 'received');
  const copied = await thread.log.evaluate((log) => {
    getSelection()!.selectAllChildren(log);
    const data = new DataTransfer();
    log.dispatchEvent(new ClipboardEvent('copy', { clipboardData: data, bubbles: true, cancelable: true }));
    return data.getData('text/plain') || getSelection()!.toString();
  });
  expect(copied).toBe(`You: ${mine}\n@${peer.handle}: ${theirs}`);
});
