// axe finds no violation: every route and every dialog, in light and in dark.

import { expectAccessible } from '../../support/axe.ts';
import { expect, test, unique } from '../../support/fixtures.ts';

for (const colorScheme of ['light', 'dark'] as const) {
  test(`every route without an account, ${colorScheme}`, async ({ people }) => {
    const visitor = await people.visitor({ colorScheme });
    const peer = await people.peer('profile');
    for (const route of ['/', '/join', '/restore', '/link', '/g', '/messages', '/settings', '/security', `/u/${peer.handle}`]) {
      await visitor.open(route);
      // Wait for what the worker shows, not the placeholder before it.
      if (['/messages', '/settings'].includes(route)) await expect(visitor.link('Create account').first()).toBeVisible();
      await expectAccessible(visitor.page, route);
    }
  });

  test(`joining, ${colorScheme}`, async ({ people }) => {
    const visitor = await people.visitor({ colorScheme });
    await visitor.open('/join');
    await visitor.chooseHandle(`axe-${colorScheme}-${Date.now()}`);
    await expect(visitor.page.getByRole('listitem').first()).toBeVisible();
    await expectAccessible(visitor.page, 'phrase');
    const words = await visitor.readPhrase();
    await expect(visitor.page.getByRole('textbox', { name: /^Word/ })).toHaveCount(3);
    await expectAccessible(visitor.page, 'confirm');
    await visitor.confirmPhrase(words);
    await expect(visitor.textbox('Repeat passphrase')).toBeVisible();
    await expectAccessible(visitor.page, 'passphrase');
  });

  test(`messages, settings and dialogs, ${colorScheme}`, async ({ people }) => {
    const alice = await people.join('alice', {}, { colorScheme });
    const peer = await people.peer('peer');
    await expectAccessible(alice.page, 'no conversation yet');
    const thread = await alice.chatWith(peer.handle);
    const text = unique('hello');
    await thread.send(text);
    await thread.shows(text, 'sent');
    await thread.shows(await peer.say(alice.handle, 'answer'), 'received');
    await peer.deliver(alice.handle, peer.sealNonsense(await peer.primaryOf(alice.handle)));
    await expect(thread.messages).toHaveCount(3);
    await expectAccessible(alice.page, 'thread');

    await alice.button('Verify').or(alice.link('Verify')).click();
    await expect(alice.page.getByRole('dialog')).toBeVisible();
    await expectAccessible(alice.page, 'verify');
    await alice.page.keyboard.press('Escape');
    await alice.button('New conversation').click();
    await expect(alice.page.getByRole('dialog')).toBeVisible();
    await expectAccessible(alice.page, 'new conversation');
    await alice.page.keyboard.press('Escape');
    await alice.page.keyboard.press('Control+k');
    await expect(alice.page.getByRole('dialog')).toBeVisible();
    await expectAccessible(alice.page, 'switcher');

    await alice.open('/settings');
    await alice.button('Show recovery phrase').click();
    await expect(alice.page.getByRole('list', { name: 'Recovery phrase' }).getByRole('listitem')).toHaveCount(24);
    await expectAccessible(alice.page, 'settings');
  });

  test(`the lock screen, ${colorScheme}`, async ({ people }) => {
    const alice = await people.join('alice', { passphrase: 'a passphrase for axe' }, { colorScheme });
    await alice.reload();
    await expect(alice.button('Unlock')).toBeVisible();
    await expectAccessible(alice.page, 'locked');
  });
}
