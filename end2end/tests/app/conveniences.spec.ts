// Small conveniences that users expect of an app that they use every day.

import { expect, test, unique } from '../../support/fixtures.ts';
import type { Person } from '../../support/person.ts';

const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

test('times show the full date on hover', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  const text = unique('hello');
  await thread.send(text);
  await thread.shows(text, 'sent');
  const year = String(new Date().getFullYear());
  await expect(thread.message(text).locator('time')).toHaveAttribute('title', new RegExp(year));
  await expect(alice.row(peer.handle).locator('time')).toHaveAttribute('title', new RegExp(year));
});

test('typing and pasting reach the composer even when a button has the focus', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  await expect(thread.composer).toBeEnabled();
  await alice.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await alice.button('Verify').focus();
  await alice.page.keyboard.type('hi');
  await expect(thread.composer).toHaveValue('hi');
  await thread.composer.fill('');
  await alice.page.evaluate(() => navigator.clipboard.writeText('pasted'));
  await alice.button('New conversation').focus();
  await alice.page.keyboard.press('Control+v');
  await expect(thread.composer).toHaveValue('pasted');
});

test('Ctrl+/ lists the shortcuts from the composer', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  await expect(thread.composer).toBeEnabled();
  await thread.composer.focus();
  await alice.page.keyboard.press('Control+/');
  await expect(alice.page.getByRole('dialog', { name: 'Keyboard shortcuts' })).toBeVisible();
  await expect(thread.composer).toHaveValue('');
});

test('the quick switcher finds people who are not in the list', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('stranger');
  await expect(alice.button('New conversation')).toBeEnabled();
  await alice.page.keyboard.press('Control+k');
  await alice.page.keyboard.type(`@${peer.handle.toUpperCase()}`);
  await expect(alice.page.getByRole('button', { name: `Start a conversation with @${peer.handle}` })).toBeVisible();
  await alice.page.keyboard.press('Enter');
  await alice.page.waitForURL(`**/messages/${peer.handle}`);
  await expect(alice.page.getByRole('dialog')).toHaveCount(0);
});

test('the quick switcher reports an unknown handle', async ({ people }) => {
  const alice = await people.join('alice');
  await expect(alice.button('New conversation')).toBeEnabled();
  await alice.page.keyboard.press('Control+k');
  await alice.page.keyboard.type('nobody-has-this');
  await alice.page.keyboard.press('Enter');
  await expect(alice.page.getByRole('dialog').getByRole('status')).toContainText('nobody-has-this');
});

test('touch targets on a phone are 44 pixels high', async ({ people }) => {
  const alice = await people.join('alice', {}, PHONE);
  const peer = await people.peer('peer');
  await peer.say(alice.handle, 'hello');
  await expect(alice.row(peer.handle)).toBeVisible();
  expect(await tooSmall(alice)).toEqual([]);
  const thread = await alice.openChat(peer.handle);
  await expect(thread.composer).toBeEnabled();
  expect(await tooSmall(alice)).toEqual([]);
  await alice.open('/settings');
  await alice.button('Show recovery phrase').click();
  await expect(alice.button('Copy')).toBeVisible();
  expect(await tooSmall(alice)).toEqual([]);
});

test('the browser bars have the colour of the page', async ({ people }) => {
  for (const colorScheme of ['light', 'dark'] as const) {
    const visitor = await people.visitor({ colorScheme });
    await visitor.open('/');
    const [bar, page] = await visitor.page.evaluate(() => {
      const metas = [...document.querySelectorAll<HTMLMetaElement>('meta[name=theme-color]')];
      const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })!;
      const pixel = (colour: string) => {
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
      };
      const used = metas.find((meta) => matchMedia(meta.media).matches)!;
      return [pixel(used.content), pixel(getComputedStyle(document.documentElement).backgroundColor)];
    });
    for (const [at, value] of bar!.entries()) expect(Math.abs(value - page![at]!)).toBeLessThanOrEqual(1);
  }
});

test('a dropped file does not replace the page', async ({ people }) => {
  const alice = await people.join('alice');
  const stopped = await alice.page.evaluate(() => ['dragover', 'drop'].map((name) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File(['x'], 'x.txt', { type: 'text/plain' }));
    return !document.body.dispatchEvent(new DragEvent(name, { dataTransfer, bubbles: true, cancelable: true }));
  }));
  expect(stopped).toEqual([true, true]);
});

test('being offline is announced as a status', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  await alice.chatWith(peer.handle);
  alice.console.allow(/Failed to load resource|net::ERR_INTERNET_DISCONNECTED|WebSocket connection to/);
  await alice.context.setOffline(true);
  await expect(alice.page.getByRole('status').filter({ hasText: "sent once you're back" })).toBeVisible();
});

test('the first tab stop skips to the content', async ({ people }) => {
  const alice = await people.join('alice');
  for (const route of ['/messages', '/settings']) {
    await alice.open(route);
    await alice.page.keyboard.press('Tab');
    await expect(alice.link('Skip to content')).toBeFocused();
    await alice.page.keyboard.press('Enter');
    await expect(alice.page.getByRole('main')).toBeFocused();
  }
});

test('a reload in the middle of joining asks first', async ({ people }) => {
  const visitor = await people.visitor();
  await visitor.open('/join');
  await visitor.chooseHandle(`reload-${Date.now()}`);
  await expect(visitor.page.getByRole('list', { name: 'Recovery phrase' })).toBeVisible();
  const asked = visitor.page.waitForEvent('dialog');
  await visitor.page.close({ runBeforeUnload: true });
  const dialog = await asked;
  expect(dialog.type()).toBe('beforeunload');
  await dialog.dismiss();
  await expect(visitor.page.getByRole('list', { name: 'Recovery phrase' })).toBeVisible();
});

test('the requested conversation opens after joining', async ({ people }) => {
  const visitor = await people.visitor();
  const peer = await people.peer('peer');
  await visitor.open(`/u/${peer.handle}`);
  await visitor.link('Message').click();
  await visitor.link('Create account').click();
  await visitor.chooseHandle(`wanted-${Date.now()}`);
  await visitor.confirmPhrase(await visitor.readPhrase());
  await visitor.choosePassphrase('');
  await visitor.page.waitForURL(`**/messages/${peer.handle}`);
});

test('an error disappears when the refused text is cleared', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  await thread.send('x'.repeat(300_000));
  await expect(alice.page.getByRole('alert')).toContainText('too long');
  await thread.composer.fill('');
  await expect(alice.page.getByRole('alert')).toHaveCount(0);
});

test('a passphrase field is a password that can be shown', async ({ people }) => {
  const alice = await people.join('alice', { passphrase: 'a passphrase to show' });
  await alice.reload();
  const field = alice.textbox('Passphrase');
  await field.fill('a passphrase to show');
  await expect(field).toHaveAttribute('type', 'password');
  await alice.button('Show passphrase').click();
  await expect(field).toHaveAttribute('type', 'text');
  await alice.button('Unlock').click();
  await expect(alice.button('New conversation')).toBeVisible();
});

test('the phrase can be copied, printed and saved', async ({ people }) => {
  const alice = await people.join('alice');
  await alice.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await alice.open('/settings');
  await alice.button('Show recovery phrase').click();
  await alice.button('Copy').click();
  expect(await alice.page.evaluate(() => navigator.clipboard.readText())).toBe(alice.words.join(' '));
  await alice.page.evaluate(() => navigator.clipboard.writeText(''));
  const download = alice.page.waitForEvent('download');
  await alice.button('Download').click();
  expect((await download).suggestedFilename()).toBe('kez-chat-recovery-phrase.txt');
  await alice.page.evaluate(() => { window.print = () => { document.title = 'printed'; }; });
  await alice.button('Print').click();
  await expect(alice.page).toHaveTitle('printed');
});

test('every person is shown in the colour of their key', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  await alice.chatWith(peer.handle);
  const colours = await alice.page.locator('.avatar').evaluateAll((all) => all.map((one) => one.getAttribute('data-colour')));
  expect(colours).toEqual([colours[0], colours[0]]);
  expect(Number(colours[0])).toBe(Number.parseInt(peer.primary.slice('ed25519:'.length, 'ed25519:'.length + 2), 16) % 12);
});

/** Touch targets less than 44 pixels high or wide, except links within a sentence. */
async function tooSmall(person: Person): Promise<string[]> {
  return person.page.evaluate(() => {
    const shown = [...document.querySelectorAll<HTMLElement>('a, button, input, textarea, label.choice')]
      .filter((element) => element.checkVisibility({ visibilityProperty: true }) && !element.matches('p a, .skip-link, label.choice input'));
    return shown.flatMap((element) => {
      const { width, height } = element.getBoundingClientRect();
      return width < 43.5 || height < 43.5 ? [`${element.outerHTML.slice(0, 80)} ${width}x${height}`] : [];
    });
  });
}
