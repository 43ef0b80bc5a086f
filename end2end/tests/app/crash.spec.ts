// The tab dies in the middle of an operation, as when a browser short of memory kills it.

import { crash } from '../../support/crash.ts';
import { BROKEN_ON_PURPOSE, expect, test, unique } from '../../support/fixtures.ts';
import { interceptMessages } from '../../support/outgoing.ts';

const POINTS = ['before the server hears of it', 'before its answer comes'] as const;
for (const [point, way] of POINTS.flatMap((point) => [[point, 'stream'], [point, 'POST']] as const)) {
  test(`a message whose tab crashes ${point} arrives once: ${way}`, async ({ people }) => {
    const alice = await people.join('alice');
    const peer = await people.peer('peer');
    alice.console.allow(BROKEN_ON_PURPOSE);
    const first = await alice.chatWith(peer.handle);
    const [before, text, after] = [unique('before'), unique('while it dies'), unique('after')];
    await alice.streams();
    await first.send(before);
    await first.shows(before, 'sent');

    let [reached, alive] = [(_: string) => {}, true];
    const there = new Promise<string>((resolve) => (reached = resolve));
    await interceptMessages(alice.context, async (message) => {
      if (!alive) return message.pass();
      if (point === 'before its answer comes') await message.reachServer();
      reached(message.way);
    }, way === 'POST' ? way : undefined);
    await first.send(text);
    expect(await there).toBe(way);
    alive = false;
    await crash(alice.page);

    alice.page = await alice.newTab(`/messages/${peer.handle}`);
    const second = alice.thread(peer.handle, alice.page);
    await second.shows(text, 'sent');
    await second.send(after);
    await second.shows(after, 'sent');
    await second.showsInOrder([before, text, after]);
    expect((await peer.inbox()).map((envelope) => peer.open(envelope).text)).toEqual([before, text, after]);
  });
}

test('another tab takes over when the leading tab crashes', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const leads = await alice.chatWith(peer.handle);
  const tabs = [await alice.newTab(`/messages/${peer.handle}`), await alice.newTab(`/messages/${peer.handle}`)];
  const [one, two, three] = [unique('one'), unique('two'), unique('three')];
  await leads.send(one);
  for (const tab of tabs) await alice.thread(peer.handle, tab).shows(one, 'sent');

  await crash(leads.page);
  await alice.thread(peer.handle, tabs[1]!).send(two);
  for (const tab of tabs) await alice.thread(peer.handle, tab).shows(two, 'sent');
  await tabs[0]!.close();
  await alice.thread(peer.handle, tabs[1]!).send(three);
  await alice.thread(peer.handle, tabs[1]!).showsInOrder([one, two, three]);
  await alice.thread(peer.handle, tabs[1]!).shows(three, 'sent');
  expect((await peer.inbox()).map((envelope) => peer.open(envelope).text)).toEqual([one, two, three]);
});
