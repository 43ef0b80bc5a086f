// Takes the screenshots for the README from the running app: `SCREENSHOTS=1 npx playwright test screenshots`.

import path from 'node:path';
import { expect, nextSecond, test } from '../../support/fixtures.ts';
import { mustStaySecret } from '../../support/evidence.ts';
import { Peer } from '../../support/peer.ts';

const images = path.resolve(import.meta.dirname, '../../../docs/images');
const PICTURES = [
  { width: 1280, height: 800, colorScheme: 'light', people: ['alice', 'ben', 'carla', 'deniz'] },
  { width: 1280, height: 800, colorScheme: 'dark', people: ['amira', 'boris', 'chloe', 'david'] },
  { width: 390, height: 844, colorScheme: 'light', people: ['anna', 'basil', 'cora', 'dora'] },
  { width: 390, height: 844, colorScheme: 'dark', people: ['ayla', 'bruno', 'cleo', 'dario'] },
] as const;
const TALK: [mine: boolean, text: string][] = [
  [false, 'Did you get home all right?'],
  [true, 'Yes, just in time for the rain.'],
  [true, 'The walk along the river was lovely, by the way. Let us do that again before the leaves are gone.'],
  [false, 'Gladly. Saturday, ten o’clock at the old bridge?'],
  [true, 'Saturday it is. I bring the coffee.'],
];

test.skip(!process.env.SCREENSHOTS, 'pictures are made on request');

for (const { width, height, colorScheme, people: names } of PICTURES) {
  test(`${width} pixels, ${colorScheme}`, async ({ people, baseURL }) => {
    const me = await people.visitor({ viewport: { width, height }, colorScheme, deviceScaleFactor: 2 });
    await me.join(names[0]);
    await me.takeRotationPhrase();
    await me.open('/messages');
    const [friend, ...others] = await Promise.all(names.slice(1).map((name) => Peer.register(baseURL!, name)));
    const primary = await friend!.primaryOf(me.handle);
    for (const [place, other] of others.entries()) {
      const text = ['The parcel has arrived, thank you!', 'Can you send me the recipe again?'][place]!;
      mustStaySecret(text);
      await other.deliver(me.handle, other.seal(primary, text));
      await me.accept(other.handle);
    }
    await nextSecond();

    const thread = await me.chatWith(friend!.handle);
    for (const [place, [mine, text]] of TALK.entries()) {
      mustStaySecret(text);
      if (mine) await thread.send(text);
      else await friend!.deliver(me.handle, friend!.seal(primary, text));
      await expect(thread.messages).toHaveCount(place + 1);
    }
    await expect(thread.messages.last()).toHaveAttribute('data-state', 'sent');
    const picture = path.join(images, `messages-${width}-${colorScheme}.png`);
    await me.page.screenshot({ path: picture, animations: 'disabled' });
  });
}
