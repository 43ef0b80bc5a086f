import { BROKEN_ON_PURPOSE, expect, test as base, unique } from '../../support/fixtures.ts';
import { ServerWithNats } from '../../support/nats.ts';

const test = base.extend<{ nats: ServerWithNats }>({
  nats: async ({}, use) => {
    const nats = await ServerWithNats.start();
    await use(nats);
    await nats.stop();
  },
  baseURL: async ({ nats }, use) => use(nats.origin),
});

test('browsers receive hints over NATS, work without it, and reconnect', async ({ people, nats }) => {
  const [alice, bob] = [await people.join('alice'), await people.join('bob')];
  for (const person of [alice, bob]) person.console.allow(BROKEN_ON_PURPOSE);
  const bothListen = () => expect.poll(async () => new Set(await nats.listeners()).size).toBe(2);
  await bothListen();
  for (const subject of await nats.listeners()) expect(subject).toMatch(/^kez\.inbox\.[0-9a-f]{64}\.>$/);

  // With NATS, a client polls its inbox at most every 24 s, so these messages arrive because of a hint.
  const [hello, answer, without, again] = ['Hello', 'Answer', 'Without NATS', 'With NATS again'].map(unique);
  const toBob = await alice.chatWith(bob.handle);
  await toBob.send(hello!);
  await expect(bob.row(alice.handle)).toBeVisible();
  const toAlice = await bob.openChat(alice.handle);
  await toAlice.shows(hello!, 'received');
  await toAlice.send(answer!);
  await toBob.shows(answer!, 'received');

  await nats.killBroker();
  await toBob.send(without!);
  await toAlice.shows(without!, 'received');
  await expect(toAlice.connection()).toHaveText(/Online/);

  await nats.startBroker();
  await bothListen();
  await toAlice.send(again!);
  await toBob.shows(again!, 'received');
  await toBob.showsInOrder([hello!, answer!, without!, again!]);

  // The key that a browser has bound is stored with the account.
  await alice.reload();
  await toBob.showsInOrder([hello!, answer!, without!, again!]);
  await bothListen();
});
