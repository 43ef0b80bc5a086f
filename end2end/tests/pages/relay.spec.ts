// Two clients written from the protocol's text alone talk through the server. The other tests build on this.

import { expect, test } from '@playwright/test';
import { unique } from '../../support/evidence.ts';
import { handleFrom } from '../../support/fixtures.ts';
import { Peer } from '../../support/peer.ts';

test('the relay delivers messages of independent clients byte for byte', async ({ baseURL }) => {
  const [alice, bob] = [await Peer.register(baseURL!, handleFrom('alice')), await Peer.register(baseURL!, handleFrom('bob'))];
  expect(await alice.primaryOf(bob.handle)).toBe(bob.primary);
  const text = unique('hello');
  const envelope = alice.seal(bob.primary, text);
  expect((await alice.deliver(bob.handle, envelope)).status).toBe(201);
  expect((await alice.deliver(bob.handle, envelope)).status).toBe(200);

  const inbox = await bob.inbox();
  expect(inbox).toEqual([envelope]);
  expect(bob.open(inbox[0]!)).toMatchObject({ kind: 'text', text });
  expect(await alice.inbox()).toEqual([]);
});
