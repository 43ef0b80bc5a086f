import { expect, test, unique } from '../../support/fixtures.ts';
import type { Person } from '../../support/person.ts';

const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true };

test('a phone shows one pane, with a way back', async ({ people }) => {
  const alice = await people.join('alice', {}, PHONE);
  const peer = await people.peer('peer');
  await peer.say(alice.handle, 'hello');
  await expect(alice.row(peer.handle)).toBeVisible();
  const thread = await alice.openChat(peer.handle);
  await expect(thread.composer).toBeVisible();
  await expect(alice.conversations()).toBeHidden();
  await alice.button('Back').or(alice.link('Back')).click();
  await expect(alice.conversations()).toBeVisible();
  await expect(thread.composer).toBeHidden();
  await alice.openChat(peer.handle);
  await alice.page.goBack();
  await expect(alice.conversations()).toBeVisible();
});

test('a wide window shows both panes', async ({ people }) => {
  const alice = await people.join('alice', {}, { viewport: { width: 720, height: 800 } });
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  await expect(thread.composer).toBeVisible();
  await expect(alice.conversations()).toBeVisible();
});

test('nothing scrolls sideways at 320 pixels', async ({ people }) => {
  const alice = await people.join('alice', {}, { viewport: { width: 320, height: 640 } });
  const peer = await people.peer('peer');
  await alice.chatWith(peer.handle);
  const thread = alice.thread(peer.handle);
  const long = unique(`${'long'.repeat(60)} https://long.example/${'path'.repeat(60)}`);
  await peer.deliver(alice.handle, peer.seal(await peer.primaryOf(alice.handle), long));
  await expect(thread.messages).toHaveCount(1);
  await expectNoSidewaysScroll(alice, 'thread');
  for (const route of ['/', '/join', '/restore', '/messages', '/settings', '/security', `/u/${peer.handle}`]) {
    await alice.open(route);
    // Wait for what the worker shows, not the placeholder before it.
    const there = { '/messages': alice.button('New conversation'), '/settings': alice.button('Lock now') }[route];
    if (there) await expect(there).toBeVisible();
    await expectNoSidewaysScroll(alice, route);
  }
});

for (const width of [320, 390, 1280]) {
  test(`no input widens a page of ${width} pixels`, async ({ people }) => {
    const alice = await people.join('alice', {}, { viewport: { width, height: 700 } });
    const peer = await people.peer('peer');
    const thread = await alice.chatWith(peer.handle);
    await expect(thread.composer).toBeEnabled();
    for (const text of [`https://long.example/${'path'.repeat(60)}`, 'w'.repeat(400)]) {
      await thread.composer.fill(text);
      await expectNoSidewaysScroll(alice, text.slice(0, 20));
      const send = (await alice.button('Send').boundingBox())!;
      expect(send.x + send.width).toBeLessThanOrEqual(width);
    }
    await alice.open('/settings');
    await expect(alice.button('Lock now')).toBeVisible();
    for (const box of await alice.page.getByRole('textbox').all()) await box.fill('w'.repeat(400));
    await expectNoSidewaysScroll(alice, 'settings');
  });
}

test('dark and light follow the system, and differ', async ({ people }) => {
  const light = await people.visitor({ colorScheme: 'light' });
  const dark = await people.visitor({ colorScheme: 'dark' });
  const background = async (person: Person) => {
    await person.open('/');
    const corner = await person.page.screenshot({ clip: { x: 0, y: 0, width: 1, height: 1 } });
    return person.page.evaluate(async (png) => {
      const image = await createImageBitmap(new Blob([Uint8Array.from(png)], { type: 'image/png' }));
      const canvas = document.createElement('canvas').getContext('2d')!;
      canvas.drawImage(image, 0, 0);
      return canvas.getImageData(0, 0, 1, 1).data[1]!;
    }, [...corner]);
  };
  expect(await background(light)).toBeGreaterThan(200);
  expect(await background(dark)).toBeLessThan(60);
});

async function expectNoSidewaysScroll(person: Person, what: string): Promise<void> {
  const { scrollWidth, clientWidth } = await person.page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return { scrollWidth, clientWidth };
  });
  expect(scrollWidth, what).toBeLessThanOrEqual(clientWidth);
}
