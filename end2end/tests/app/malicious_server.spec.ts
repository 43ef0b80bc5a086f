// When a server lies about who owns a key, no key is pinned and no message is sealed.

import type { Person } from '../../support/person.ts';
import type { Envelope, Peer } from '../../support/peer.ts';
import { BROKEN_ON_PURPOSE, expect, test, unique } from '../../support/fixtures.ts';

interface Lie {
  what: string;
  record(bob: Peer, mallory: Peer): { primary: string; registration: Envelope };
}

const LIES: Lie[] = [
  {
    what: "another key with the owner's registration",
    record: (bob, mallory) => ({ primary: mallory.primary, registration: bob.registration() }),
  },
  {
    what: "another key with that key's registration for its own handle",
    record: (_, mallory) => ({ primary: mallory.primary, registration: mallory.registration() }),
  },
  {
    what: 'a registration changed after it was signed',
    record: (bob, mallory) => {
      const signed = mallory.registration();
      return {
        primary: mallory.primary,
        registration: { ...signed, payload: { ...(signed.payload as Envelope), handle: bob.handle } },
      };
    },
  },
  {
    what: 'no registration at all',
    record: (_, mallory) => ({ primary: mallory.primary, registration: {} }),
  },
];

for (const { what, record } of LIES) {
  test(`a lookup that answers with ${what} is refused`, async ({ people }) => {
    const alice = await people.join('alice');
    const [bob, mallory] = [await people.peer('bob'), await people.peer('mallory')];
    await lieAbout(alice, bob, record(bob, mallory));

    await alice.button('New conversation').click();
    const dialog = alice.page.getByRole('dialog', { name: 'New conversation' });
    await dialog.getByRole('textbox', { name: 'To', exact: true }).fill(bob.handle);
    await dialog.getByRole('button', { name: 'Start', exact: true }).click();
    await expect(dialog.getByRole('alert')).not.toBeEmpty();
    await expect(alice.page).toHaveURL(/\/messages$/);
    await expect(alice.row(bob.handle)).toHaveCount(0);
    expect(alice.recorder.messages()).toEqual([]);
  });
}

test('a key that changes later is announced, and nothing is sent to it unasked', async ({ people }) => {
  const alice = await people.join('alice');
  const [bob, mallory] = [await people.peer('bob'), await people.peer('mallory')];
  const thread = await alice.chatWith(bob.handle);
  const before = unique('to bob');
  await thread.send(before);
  await thread.shows(before, 'sent');

  await lieAbout(alice, bob, { primary: mallory.primary, registration: mallory.registration(bob.handle) });
  await alice.chatWith(bob.handle);
  await expect(alice.page.getByText(/key .*changed|new key|changed .*key/i).first()).toBeVisible();
  await expect(thread.composer).toBeDisabled();
  await expect(alice.button('Send')).toBeDisabled();
  expect((await bob.inbox()).map((envelope) => bob.open(envelope).text)).toEqual([before]);
  expect(alice.recorder.messages().length).toBeGreaterThan(0);
  for (const message of alice.recorder.messages()) expect(message).not.toContain(mallory.primary);
});

test('a restore is refused when the server names another account', async ({ people }) => {
  const alice = await people.join('alice');
  const mallory = await people.peer('mallory');
  const elsewhere = await people.visitor();
  elsewhere.console.allow(BROKEN_ON_PURPOSE);
  await elsewhere.context.route('**/v1/by-primary/*', async (route) => {
    const answer = await route.fetch({ url: new URL(`/v1/u/${mallory.handle}`, route.request().url()).href });
    await route.fulfill({ response: answer });
  });
  await elsewhere.open('/restore');
  await elsewhere.textbox('Recovery phrase').fill(alice.words.join(' '));
  await elsewhere.button('Restore account').click();
  await expect(elsewhere.page.getByRole('alert')).not.toBeEmpty();
  await expect(elsewhere.page).toHaveURL(/\/restore$/);
});

async function lieAbout(alice: Person, bob: Peer, lie: { primary: string; registration: Envelope }): Promise<void> {
  await alice.context.route(`**/v1/u/${bob.handle}`, async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...(await answer.json()), ...lie } });
  });
}
