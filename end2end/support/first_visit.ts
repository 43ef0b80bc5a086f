// What somebody may do at a first visit of /messages without loading more than its first part: arrive with and without an
// account, catch up, write, read, lose the network, open a second tab.

import type { Page } from '@playwright/test';
import { BROKEN_ON_PURPOSE, expect, unique, type People } from './fixtures.ts';
import type { Person } from './person.ts';

/** Called with each page that was loaded at /messages, when the visit is done with it. */
export type Done = (page: Page) => Promise<void>;

export async function withoutAccount(people: People, done: Done): Promise<void> {
  const visitor = await people.visitor();
  await visitor.open('/messages');
  await expect(visitor.link('Create account')).toBeVisible();
  await done(visitor.page);
}

export async function locked(people: People, done: Done): Promise<void> {
  const carol = await people.join('carol', { passphrase: 'correct horse battery staple 4711' });
  await carol.open('/messages');
  await expect(carol.button('Unlock')).toBeVisible();
  await done(carol.page);
}

export async function chatting(people: People, done: Done): Promise<void> {
  const [alice, bob] = [await people.join('alice'), await people.join('bob')];
  await arrive(alice);
  const toBob = await alice.chatWith(bob.handle);
  const [hello, answer, multi] = [unique('hello'), unique('answer'), unique('with https://kez.example/ in it')];
  await toBob.send(hello);
  await toBob.shows(hello, 'sent');

  await arrive(bob);
  await bob.accept(alice.handle);
  const toAlice = await bob.openChat(alice.handle);
  await toAlice.shows(hello, 'received');
  await toAlice.composer.fill(answer);
  await toAlice.composer.press('Enter');
  await toBob.shows(answer, 'received');
  await toAlice.send(multi);
  await toBob.shows(multi, 'received');
  await lookAround(alice, bob.handle);
  await offline(alice, bob.handle);
  await done(alice.page);
  await done(bob.page);

  await alice.page.close();
  alice.page = await alice.newTab(`/messages/${bob.handle}`);
  await toBobIn(alice, bob.handle).shows(hello, 'sent');
  const tab = await alice.newTab('/messages');
  await alice.row(bob.handle, tab).click();
  const second = alice.thread(bob.handle, tab);
  await second.shows(hello, 'sent');
  await done(alice.page);
  await alice.page.close();
  alice.page = tab;
  const [late, later] = [unique('late'), unique('later')];
  await second.send(late);
  await second.shows(late, 'sent');
  await toAlice.send(later);
  await second.shows(later, 'received');
  await done(tab);
}

export async function catchingUp(people: People, done: Done): Promise<void> {
  const alice = await people.join('alice');
  const [peer, other] = [await people.peer('peer'), await people.peer('other')];
  const first = await peer.say(alice.handle, 'first');
  await alice.accept(peer.handle);
  await alice.openChat(peer.handle);
  await alice.thread(peer.handle).shows(first, 'received');
  await alice.open('/settings');
  await expect(alice.row(peer.handle)).toHaveCount(0);
  await alice.page.goto('about:blank');
  for (let number = 0; number < 120; number++) await peer.say(alice.handle, `message ${number}`);
  await other.say(alice.handle, 'from somebody new');
  await peer.deliver(alice.handle, peer.sealNonsense(await peer.primaryOf(alice.handle)));

  await arrive(alice);
  await expect(alice.row(peer.handle).getByText(/unread/)).toBeAttached();
  const thread = await alice.openChat(peer.handle);
  await expect(thread.messages.filter({ hasText: 'message 119' })).toHaveCount(1);
  await thread.log.evaluate((log) => { log.scrollTop = 0; });
  await expect(thread.messages.filter({ hasText: 'message 60' })).toHaveCount(1);
  const live = await peer.say(alice.handle, 'live');
  await expect(alice.row(peer.handle)).toContainText(live.slice(0, 4));
  await expect(alice.row(other.handle)).toBeVisible();
  await done(alice.page);
}

async function arrive(person: Person): Promise<void> {
  await person.open('/messages');
  await expect(person.button('New conversation')).toBeVisible();
}

function toBobIn(alice: Person, bob: string) {
  return alice.thread(bob, alice.page);
}

async function lookAround(person: Person, handle: string): Promise<void> {
  const { page } = person;
  const { keyboard } = page;
  const dialogs = page.getByRole('dialog');
  await person.button('Verify').or(person.link('Verify')).click();
  await expect(page.getByRole('dialog', { name: `Verify @${handle}`, exact: true })).toBeVisible();
  await keyboard.press('Escape');
  await expect(dialogs).toHaveCount(0);
  await keyboard.press('Control+k');
  await expect(dialogs).toHaveCount(1);
  await keyboard.press('Escape');
  await expect(dialogs).toHaveCount(0);
  await person.thread(handle, page).composer.fill('a draft');
  await keyboard.press('Alt+ArrowDown');
  await person.thread(handle, page).composer.fill('');
}

async function offline(person: Person, handle: string): Promise<void> {
  person.console.allow(BROKEN_ON_PURPOSE);
  const thread = person.thread(handle);
  const text = unique('written on the train');
  await person.context.setOffline(true);
  await expect(thread.connection()).toHaveText(/Offline/);
  await thread.send(text);
  await thread.shows(text, 'sending');
  await person.context.setOffline(false);
  await expect(thread.connection()).toHaveText(/Online/);
  await thread.shows(text, 'sent');
}
