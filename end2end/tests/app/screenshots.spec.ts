// The pictures of the README, made from the running app: `SCREENSHOTS=1 npx playwright test screenshots`.

import path from 'node:path';
import { expect, test } from '../../support/fixtures.ts';
import { mustStaySecret } from '../../support/evidence.ts';

const images = path.resolve(import.meta.dirname, '../../../docs/images');
const SIZES = [
  { name: 'wide', viewport: { width: 1280, height: 800 } },
  { name: 'phone', viewport: { width: 390, height: 844 } },
];
const TALK: [from: 'alice' | 'ben', text: string][] = [
  ['ben', 'Did you get home all right?'],
  ['alice', 'Yes, just in time for the rain.'],
  ['alice', 'The walk along the river was lovely, by the way. Let us do that again before the leaves are gone.'],
  ['ben', 'Gladly. Saturday, ten o’clock at the old bridge?'],
  ['alice', 'Saturday it is. I bring the coffee.'],
];

test.skip(!process.env.SCREENSHOTS, 'pictures are made on request');

for (const { name, viewport } of SIZES) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test(`${name}, ${colorScheme}`, async ({ people }) => {
      const alice = await people.join('alice', {}, { viewport, colorScheme, deviceScaleFactor: 2 });
      const ben = await people.peer('ben');
      const primary = await ben.primaryOf(alice.handle);
      const thread = await alice.chatWith(ben.handle);
      for (const [place, [from, text]] of TALK.entries()) {
        mustStaySecret(text);
        if (from === 'alice') await thread.send(text);
        else await ben.deliver(alice.handle, ben.seal(primary, text));
        await expect(thread.messages).toHaveCount(place + 1);
      }
      await expect(thread.messages.last()).toHaveAttribute('data-state', 'sent');
      await alice.page.screenshot({ path: path.join(images, `messages-${name}-${colorScheme}.png`) });
      await alice.open('/');
      await alice.page.screenshot({ path: path.join(images, `landing-${name}-${colorScheme}.png`) });
    });
  }
}
