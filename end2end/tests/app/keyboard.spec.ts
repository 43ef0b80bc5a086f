import { expect, nextSecond, test, unique } from '../../support/fixtures.ts';

test('conversations can be switched by keyboard', async ({ people }) => {
  const alice = await people.join('alice');
  const [one, two, three] = [await people.peer('one'), await people.peer('two'), await people.peer('three')];
  for (const peer of [one, two, three]) {
    await peer.say(alice.handle, 'hello');
    await alice.accept(peer.handle);
    await nextSecond();
  }
  // The order from the top: three, two, one.
  const { keyboard } = alice.page;
  await alice.openChat(three.handle);
  await keyboard.press('Alt+ArrowDown');
  await alice.page.waitForURL(`**/messages/${two.handle}`);
  await keyboard.press('Alt+ArrowUp');
  await alice.page.waitForURL(`**/messages/${three.handle}`);
  // An opened conversation is read once the worker has confirmed it; only then does the next unread one lie beyond it.
  await expect(alice.row(two.handle).getByText('unread')).toHaveCount(0);
  await keyboard.press('Alt+Shift+ArrowDown');
  await alice.page.waitForURL(`**/messages/${one.handle}`);
});

test('Ctrl+K switches to a conversation by name', async ({ people }) => {
  const alice = await people.join('alice');
  const [one, two] = [await people.peer('first'), await people.peer('second')];
  await alice.chatWith(one.handle);
  await alice.thread(one.handle).send(unique('x'));
  await alice.chatWith(two.handle);
  await alice.thread(two.handle).send(unique('x'));
  await alice.page.keyboard.press('Control+k');
  const switcher = alice.page.getByRole('dialog');
  await expect(switcher).toBeVisible();
  await alice.page.keyboard.type('first');
  await alice.page.keyboard.press('Enter');
  await alice.page.waitForURL(`**/messages/${one.handle}`);
  await expect(switcher).toBeHidden();
});

test('the focus returns when a choice closes a dialog', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  const text = unique('x');
  await thread.send(text);
  await thread.shows(text, 'sent');
  await thread.composer.focus();
  await alice.page.keyboard.press('Control+k');
  const switcher = alice.page.getByRole('dialog');
  await expect(switcher).toBeVisible();
  await alice.page.keyboard.type('peer');
  await alice.page.keyboard.press('Enter');
  await expect(switcher).toBeHidden();
  await expect(thread.composer).toBeFocused();
});

test('? lists the shortcuts, Esc closes the top layer only, and typing finds the composer', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  const { keyboard } = alice.page;
  const dialogs = alice.page.getByRole('dialog');
  await expect(thread.composer).toBeEnabled();
  await alice.page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());

  await keyboard.press('?');
  await expect(dialogs).toHaveCount(1);
  await expect(dialogs).toContainText('Ctrl');
  await keyboard.press('Escape');
  await expect(dialogs).toHaveCount(0);
  await expect(alice.page).toHaveURL(new RegExp(`/messages/${peer.handle}$`));

  await alice.page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  await keyboard.type('hi');
  await expect(thread.composer).toBeFocused();
  await expect(thread.composer).toHaveValue('hi');
  await keyboard.type('?');
  await expect(thread.composer).toHaveValue('hi?');
  await expect(dialogs).toHaveCount(0);
});
