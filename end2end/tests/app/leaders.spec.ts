// The leading tab is killed again and again while a group talks: nothing is lost, doubled, or sealed twice with a key.

import type { Page } from '@playwright/test';

import { crash } from '../../support/crash.ts';
import { BROKEN_ON_PURPOSE, expect, test, unique } from '../../support/fixtures.ts';
import { Group, createGroup, openGroup } from '../../support/group.ts';

/** How often the leading tab is killed, and how long it lives. */
const KILLS = 6;
const LIFE_MS = 2_000;

for (const count of [2, 5]) {
  test(`of ${count} tabs the leading one is killed every two seconds`, async ({ people }) => {
    const [alice, bob] = [await people.join('alice'), await people.join('bob')];
    alice.console.allow(BROKEN_ON_PURPOSE);
    const name = unique('Relay');
    await createGroup(alice, name, [bob.handle]);
    const ofBob = await openGroup(bob, name);
    await bob.button('Accept').click();
    const path = new URL(alice.page.url()).pathname;
    // The tab that has been open for longest leads.
    const tabs: Page[] = [alice.page];
    while (tabs.length < count) tabs.push(await alice.newTab(path));

    const said: string[] = [];
    let kills = 0;
    const killer = (async () => {
      while (kills < KILLS) {
        await new Promise((resolve) => setTimeout(resolve, LIFE_MS));
        const opened = await alice.newTab(path);
        await crash(tabs.shift()!);
        tabs.push(opened);
        kills += 1;
      }
    })();
    for (let n = 0; kills < KILLS; n += 1) {
      const [mine, theirs] = [unique(`alice ${n}`), unique(`bob ${n}`)];
      // The youngest tab lives long enough to hand its message over.
      const group = new Group(tabs.at(-1)!, name);
      await group.composer.fill(mine);
      await group.composer.press('Enter');
      await ofBob.send(theirs);
      await group.shows(mine, 'sent');
      await group.shows(theirs, 'received');
      said.push(mine, theirs);
    }
    await killer;

    alice.page = tabs.at(-1)!;
    const last = new Group(alice.page, name);
    const final = unique('the last word');
    await last.send(final);
    await ofBob.shows(final, 'received');
    for (const text of said) {
      for (const group of [last, ofBob]) await expect(group.message(text), text).toHaveCount(1);
    }
    // A device that meets a key of its own that it does not know would join anew.
    await expect(last.line('rejoined', '')).toHaveCount(0);
    await expect(last.log.locator('[data-state="undecryptable"]')).toHaveCount(0);
    await expect(ofBob.log.locator('[data-state="undecryptable"]')).toHaveCount(0);
  });
}
