// What somebody may do at a first visit of /messages with nothing but the first part of the app: arrive with and without an
// account, catch up, write, read, lose the network, open a second tab. Nothing here is allowed to need the rest, which
// `xtask/src/steps/split/later.txt` names.

import type { BrowserContext, Request } from '@playwright/test';
import { BROKEN_ON_PURPOSE, expect, test, unique } from '../../support/fixtures.ts';
import type { Person } from '../../support/person.ts';

const REST = '**/*.later.*.wasm';

/** From now on the rest never comes when a page asks for it ahead of time. Gives what is asked for because it is needed. */
async function withoutTheRest(context: BrowserContext): Promise<Request[]> {
  const needed: Request[] = [];
  await context.route(REST, async (route) => {
    if (route.request().resourceType() === 'fetch') return;
    needed.push(route.request());
    await route.continue();
  });
  return needed;
}

async function arrives(person: Person): Promise<Request[]> {
  const needed = await withoutTheRest(person.context);
  await person.open('/messages');
  await expect(person.button('New conversation')).toBeVisible();
  return needed;
}

test('a first visit without an account asks for the first part alone, until somebody does something', async ({ people }) => {
  const visitor = await people.visitor();
  const asked: string[] = [];
  visitor.context.on('request', (request) => { asked.push(request.url()); });
  await visitor.open('/messages');
  await expect(visitor.link('Create account')).toBeVisible();
  expect(asked.filter((url) => url.endsWith('.wasm'))).toHaveLength(1);

  const rest = visitor.page.waitForResponse(REST);
  await visitor.page.mouse.move(200, 200);
  expect((await rest).ok()).toBe(true);
  await visitor.link('Create account').click();
  await expect(visitor.textbox('Handle')).toBeVisible();
});

test('a page that is not there yet comes once the network lets it', async ({ people }) => {
  const visitor = await people.visitor();
  await visitor.open('/messages');
  await expect(visitor.link('Create account')).toBeVisible();
  let goOn!: () => void;
  const may = new Promise<void>((resolve) => { goOn = resolve; });
  await visitor.context.route(REST, async (route) => { await may; await route.continue(); });
  const asked = visitor.page.waitForRequest(REST);
  await visitor.link('Create account').click();
  await asked;
  await expect(visitor.textbox('Handle')).toHaveCount(0);
  goOn();
  await expect(visitor.textbox('Handle')).toBeVisible();
});

test('the rest can come while its caller waits', async ({ people }) => {
  const alice = await people.join('alice', { passphrase: 'correct horse battery staple 4711' });
  const needed = await withoutTheRest(alice.context);
  await alice.open('/messages');
  await expect(alice.button('Unlock')).toBeVisible();
  expect(needed).toHaveLength(0);
  // Key stretching is in the rest, and the worker's.
  await alice.unlock('correct horse battery staple 4711');
  await expect(alice.button('New conversation')).toBeVisible();
  expect(needed.length).toBeGreaterThan(0);
});

test('when the rest does not come, the page says so', async ({ people }) => {
  const alice = await people.join('alice', { passphrase: 'correct horse battery staple 4711' });
  await alice.open('/messages');
  await expect(alice.button('Unlock')).toBeVisible();
  // What was under way in the worker may call it once more before it ends.
  alice.console.allow(/did not come|Failed to load resource|net::ERR_FAILED|NetworkError|RefCell already borrowed/);
  await alice.context.route(REST, (route) => route.abort());
  await alice.unlock('correct horse battery staple 4711');
  await expect(alice.page.getByRole('alert').filter({ hasText: 'could not be loaded' })).toBeVisible();
  await alice.context.unroute(REST);
  await alice.reload();
  await alice.unlock('correct horse battery staple 4711');
  await expect(alice.button('New conversation')).toBeVisible();
});

test('chatting needs only the first part', async ({ people }) => {
  const [alice, bob] = [await people.join('alice'), await people.join('bob')];
  const needed = [await arrives(alice)];
  const toBob = await alice.chatWith(bob.handle);
  const [hello, answer, link] = [unique('hello'), unique('answer'), unique('with https://kez.example/ in it')];
  await toBob.send(hello);
  await toBob.shows(hello, 'sent');

  needed.push(await arrives(bob));
  await bob.accept(alice.handle);
  const toAlice = await bob.openChat(alice.handle);
  await toAlice.shows(hello, 'received');
  await toAlice.composer.fill(answer);
  await toAlice.composer.press('Enter');
  await toBob.shows(answer, 'received');
  await toAlice.send(link);
  await toBob.shows(link, 'received');
  await looksAround(alice, bob.handle);
  await losesTheNetwork(alice, bob.handle);

  await alice.page.close();
  alice.page = await alice.newTab(`/messages/${bob.handle}`);
  await alice.thread(bob.handle).shows(hello, 'sent');
  const tab = await alice.newTab('/messages');
  await alice.row(bob.handle, tab).click();
  const second = alice.thread(bob.handle, tab);
  await second.shows(hello, 'sent');
  await alice.page.close();
  alice.page = tab;
  const [late, later] = [unique('late'), unique('later')];
  await second.send(late);
  await second.shows(late, 'sent');
  await toAlice.send(later);
  await second.shows(later, 'received');
  expect(needed.flat().map((request) => request.url())).toEqual([]);
});

test('catching up needs only the first part', async ({ people }) => {
  const alice = await people.join('alice');
  const [peer, other] = [await people.peer('peer'), await people.peer('other')];
  const first = await peer.say(alice.handle, 'first');
  await alice.accept(peer.handle);
  await alice.openChat(peer.handle);
  await alice.thread(peer.handle).shows(first, 'received');
  await alice.page.goto('about:blank');
  for (let number = 0; number < 120; number++) await peer.say(alice.handle, `message ${number}`);
  await other.say(alice.handle, 'from somebody new');
  await peer.deliver(alice.handle, peer.sealNonsense(await peer.primaryOf(alice.handle)));

  const needed = await arrives(alice);
  await expect(alice.row(peer.handle).getByText(/unread/)).toBeAttached();
  const thread = await alice.openChat(peer.handle);
  await expect(thread.messages.filter({ hasText: 'message 119' })).toHaveCount(1);
  await thread.log.evaluate((log) => { log.scrollTop = 0; });
  await expect(thread.messages.filter({ hasText: 'message 60' })).toHaveCount(1);
  await peer.say(alice.handle, 'live');
  await expect(alice.row(peer.handle)).toContainText('live');
  await expect(alice.row(other.handle)).toBeVisible();
  expect(needed.map((request) => request.url())).toEqual([]);
});

async function looksAround(person: Person, handle: string): Promise<void> {
  const { keyboard } = person.page;
  const dialogs = person.page.getByRole('dialog');
  await person.button('Verify').or(person.link('Verify')).click();
  await expect(person.page.getByRole('dialog', { name: `Verify @${handle}`, exact: true })).toBeVisible();
  await keyboard.press('Escape');
  await expect(dialogs).toHaveCount(0);
  await keyboard.press('Control+k');
  await expect(dialogs).toHaveCount(1);
  await keyboard.press('Escape');
  await expect(dialogs).toHaveCount(0);
  await person.thread(handle).composer.fill('a draft');
  await person.thread(handle).composer.fill('');
}

async function losesTheNetwork(person: Person, handle: string): Promise<void> {
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
