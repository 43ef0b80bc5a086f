// The database of a server and the profile of a browser, both as an earlier release left them.
//
// Each folder of `fixtures` is a release. `RELEASE=0.2.0 npx playwright test upgrade` writes a new one; do that once, with
// the programs of that release, and never change it afterwards.

import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { BROKEN_ON_PURPOSE, expect, test as base } from '../../support/fixtures.ts';
import { Peer } from '../../support/peer.ts';
import { loadProfile, saveProfile, type Profile } from '../../support/profile.ts';
import { freePorts, OwnServer } from '../../support/server.ts';
import { recordKeys } from '../../support/vault.ts';

const fixtures = path.resolve(import.meta.dirname, '../../fixtures');
const PASSPHRASE = 'the passphrase of an old profile';
/** The texts of the conversation with the friend. */
const TEXTS = ['the earliest one', ...Array.from({ length: 69 }, (_, n) => `message ${n + 2} of seventy`)];

interface Fixture {
  profile: Profile;
  /** The seeds of two independent clients, in hex. */
  friend: string;
  stranger: string;
}

/** A server that each test starts, once its database is in place. */
const test = base.extend<{ server: OwnServer }>({
  server: async ({}, use) => {
    const [port] = await freePorts(1);
    const server = OwnServer.at(mkdtempSync(path.join(tmpdir(), 'kez-chat-')), port!);
    await use(server);
    await server.stop();
  },
  baseURL: async ({ server }, use) => use(server.origin),
});

for (const release of readdirSync(fixtures)) {
  test(`an account of ${release} keeps everything and goes on`, async ({ people, server }) => {
    copyFileSync(path.join(fixtures, release, 'kez-chat.db'), path.join(server.folder, 'kez-chat.db'));
    const { profile, ...seeds } = JSON.parse(readFileSync(path.join(fixtures, release, 'profile.json'), 'utf8')) as Fixture;
    await server.run();
    const friend = new Peer(server.origin, 'friend', Buffer.from(seeds.friend, 'hex'));

    const alice = await people.visitor();
    await alice.page.goto('/v1/healthz');
    await loadProfile(alice.page, profile);
    await alice.open('/messages');
    await alice.unlock(PASSPHRASE);

    await expect(alice.row('friend').getByText(/verified/i)).toBeAttached();
    await expect(alice.row('stranger')).toContainText('are you there?');
    await expect(alice.row('paul')).toContainText('Draft: not finished');
    const thread = await alice.openChat('friend');
    await thread.shows('written without a network', 'sent');
    const queued = (await friend.inbox()).map((envelope) => friend.open(envelope));
    expect(queued.filter(({ text }) => text === 'written without a network')).toHaveLength(1);
    await expect(thread.message(TEXTS[69]!).getByRole('list', { name: 'Reactions' }).getByRole('button')).toHaveCount(1);
    await thread.shows(await friend.say('alice', 'after the upgrade'), 'received');
    await thread.send('still here');
    await thread.shows('still here', 'sent');

    // The oldest message is in another page of the browser's storage.
    await alice.page.getByRole('searchbox', { name: 'Search', exact: true }).fill('earliest');
    await expect(alice.page.getByRole('region', { name: 'Search results' }).getByRole('link')).toHaveCount(1);

    await alice.open('/settings');
    await alice.unlock(PASSPHRASE);
    // This browser has become a device of the account, without a word about it.
    await expect(alice.keyHistory()).toHaveCount(3);
    await expect(alice.page.getByRole('list', { name: 'Devices' }).getByRole('listitem')).toHaveText([/This browser$/]);
    await expect(alice.page.getByRole('alert').filter({ hasText: 'browser' })).toHaveCount(0);
    await expect(alice.page.getByRole('list', { name: 'Blocked' }).getByRole('listitem')).toContainText('@blocked');
    // Version 0.1.0 refuses a storage with a record of a kind that it does not know, as that of a newer version.
    expect(await recordKeys(alice.page)).toContain('lease/mark');
  });
}

test('write the fixture of a release', async ({ people, server }) => {
  const release = process.env.RELEASE;
  test.skip(!release, 'only for a release');
  test.setTimeout(180_000);
  await server.run();
  const alice = await people.visitor();
  await alice.join('alice', { passphrase: PASSPHRASE });
  const [friend, stranger, blocked] = [
    await Peer.register(server.origin, 'friend'),
    await Peer.register(server.origin, 'stranger'),
    await Peer.register(server.origin, 'blocked'),
  ];
  await Peer.register(server.origin, 'paul');
  const toAlice = await friend.primaryOf('alice');

  const thread = await alice.chatWith('friend');
  for (const text of TEXTS.slice(0, 35)) await friend.deliver('alice', friend.seal(toAlice, text));
  await thread.shows(TEXTS[34]!, 'received');
  for (const text of TEXTS.slice(35)) await thread.send(text);
  await thread.shows(TEXTS[69]!, 'sent');
  await thread.message(TEXTS[69]!).getByRole('button', { name: 'Message actions', exact: true }).click();
  await alice.page.getByRole('menuitem', { name: 'React', exact: true }).click();
  await alice.page.getByRole('dialog', { name: 'React' }).getByRole('button', { name: '👍', exact: true }).click();
  await alice.button('Verify').or(alice.link('Verify')).click();
  await alice.page.getByRole('button', { name: 'Mark as verified' }).click();
  await alice.page.keyboard.press('Escape');

  await stranger.deliver('alice', stranger.seal(toAlice, 'are you there?'));
  await expect(alice.row('stranger')).toBeVisible();
  await blocked.deliver('alice', blocked.seal(toAlice, 'buy this'));
  await expect(alice.row('blocked')).toBeVisible();
  const row = alice.page.getByRole('link', { name: /^@blocked\b/ });
  const request = alice.conversations().getByRole('listitem').filter({ has: row });
  await request.getByRole('button', { name: 'Block', exact: true }).click();
  await expect(alice.row('blocked')).toHaveCount(0);
  const other = await alice.chatWith('paul');
  await other.composer.fill('not finished');
  await expect(alice.row('paul')).toContainText('Draft: not finished');
  await alice.open('/settings');
  await alice.unlock(PASSPHRASE);
  await expect(alice.keyHistory()).toHaveCount(2);
  await expect(alice.page.getByRole('list', { name: 'Blocked' }).getByRole('listitem')).not.toContainText('does not know yet');

  await alice.link('Messages').click();
  await alice.openChat('friend');
  await alice.context.setOffline(true);
  alice.console.allow(BROKEN_ON_PURPOSE);
  await thread.send('written without a network');
  await thread.shows('written without a network', 'sending');
  const profile = await saveProfile(alice.page);
  const seeds = { friend: friend.seed.toString('hex'), stranger: stranger.seed.toString('hex') };
  const folder = path.join(fixtures, release!);
  mkdirSync(folder);
  writeFileSync(path.join(folder, 'profile.json'), JSON.stringify({ ...seeds, profile }, null, 1));
  server.command('backup', '--to', path.join(folder, 'kez-chat.db'));
  rmSync(path.join(folder, 'kez-chat.db.sha256'));
});
