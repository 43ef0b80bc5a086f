import { expect, test, unique } from '../../support/fixtures.ts';

test('Enter sends, Shift+Enter breaks the line', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  const [one, two] = [unique('one'), unique('two')];
  await expect(thread.composer).toBeEnabled();
  await thread.composer.focus();
  await alice.page.keyboard.type(one);
  await alice.page.keyboard.press('Shift+Enter');
  await alice.page.keyboard.type(two);
  await expect(thread.composer).toHaveValue(`${one}\n${two}`);
  await expect(thread.messages).toHaveCount(0);
  await alice.page.keyboard.press('Enter');
  await expect(thread.messages).toHaveCount(1);
  await expect(thread.messages).toHaveAttribute('data-state', 'sent');
  await expect(thread.composer).toHaveValue('');
  expect((await peer.inbox()).map((envelope) => peer.open(envelope).text)).toEqual([`${one}\n${two}`]);
});

test('nothing is sent while an input method composes', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  await expect(thread.composer).toBeEnabled();
  await thread.composer.focus();
  const session = await alice.context.newCDPSession(alice.page);
  await session.send('Input.imeSetComposition', { text: 'にほん', selectionStart: 3, selectionEnd: 3 });
  await thread.composer.dispatchEvent('keydown', { key: 'Enter', code: 'Enter', isComposing: true, bubbles: true });
  await session.send('Input.insertText', { text: '日本' });
  await expect(thread.composer).toHaveValue('日本');
  await expect(thread.messages).toHaveCount(0);
  await alice.page.keyboard.press('Enter');
  await thread.shows('日本', 'sent');
  await thread.showsInOrder(['日本']);
  expect((await peer.inbox()).map((envelope) => peer.open(envelope).text)).toEqual(['日本']);
});

test('a draft survives a reload and shows in the list', async ({ people }) => {
  const alice = await people.join('alice');
  const [peer, other] = [await people.peer('peer'), await people.peer('other')];
  const thread = await alice.chatWith(peer.handle);
  const draft = unique('not finished');
  await expect(thread.composer).toBeEnabled();
  await thread.composer.fill(draft);
  await alice.chatWith(other.handle);
  await expect(alice.row(peer.handle)).toContainText(`Draft: ${draft}`);
  await alice.open(`/messages/${peer.handle}`);
  await expect(thread.composer).toHaveValue(draft);
  await alice.reload();
  await expect(thread.composer).toHaveValue(draft);
  await alice.button('Send').click();
  await thread.shows(draft, 'sent');
  await expect(alice.row(peer.handle)).not.toContainText('Draft');
  await alice.reload();
  await expect(thread.composer).toHaveValue('');
});

test('over-long text is refused before sending, with the limit', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  await thread.send('x'.repeat(300_000));
  await expect(alice.page.getByRole('alert')).toContainText(/\d+\s*KB/);
  await expect(thread.messages).toHaveCount(0);
  await expect(thread.composer).toHaveValue(/^x{300000}$/);
  expect(await peer.inbox()).toEqual([]);
});

test('blank text is not sent', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  await expect(thread.composer).toBeEnabled();
  await thread.composer.fill('  \n ');
  await alice.page.keyboard.press('Enter');
  const text = unique('said');
  await thread.composer.fill(text);
  await alice.page.keyboard.press('Enter');
  await thread.showsInOrder([text]);
});
