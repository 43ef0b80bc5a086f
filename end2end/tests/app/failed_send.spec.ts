import type { Route } from '@playwright/test';
import { BROKEN_ON_PURPOSE, expect, test, unique } from '../../support/fixtures.ts';

const refuse = (route: Route) => route.fulfill({
  status: 404,
  contentType: 'application/problem+json',
  json: { type: 'about:blank', title: 'Unknown handle', status: 404, code: 'unknown_handle', detail: 'Nobody has this handle.' },
});

test('a failed send stays over a reload, and a retry makes no duplicate', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  alice.console.allow(BROKEN_ON_PURPOSE);
  const thread = await alice.chatWith(peer.handle);
  const text = unique('does not get through');

  await alice.context.route('**/v1/messages', refuse);
  await thread.send(text);
  await thread.shows(text, 'failed');
  await alice.context.unroute('**/v1/messages');
  await alice.reload();
  await thread.shows(text, 'failed');

  await thread.message(text).getByRole('button', { name: 'Retry' }).click();
  await thread.shows(text, 'sent');
  await alice.reload();
  await thread.shows(text, 'sent');
  expect((await peer.inbox()).map((envelope) => peer.open(envelope).text)).toEqual([text]);
});

test('a failed send can be deleted', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  alice.console.allow(BROKEN_ON_PURPOSE);
  const thread = await alice.chatWith(peer.handle);
  const [gone, kept] = [unique('deleted'), unique('kept')];

  await alice.context.route('**/v1/messages', refuse);
  await thread.send(gone);
  await thread.shows(gone, 'failed');
  await alice.context.unroute('**/v1/messages');
  await thread.message(gone).getByRole('button', { name: 'Delete' }).click();
  await expect(thread.message(gone)).toHaveCount(0);
  await thread.send(kept);
  await thread.shows(kept, 'sent');
  await alice.reload();
  await thread.showsInOrder([kept]);
  expect((await peer.inbox()).map((envelope) => peer.open(envelope).text)).toEqual([kept]);
});

test('an answer that is lost is asked for again with the same bytes', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  alice.console.allow(BROKEN_ON_PURPOSE);
  const thread = await alice.chatWith(peer.handle);
  const text = unique('answer lost');
  const posted: string[] = [];
  await alice.context.route('**/v1/messages', async (route) => {
    posted.push(route.request().postData()!);
    if (posted.length > 1) return route.continue();
    await route.fetch();
    return route.abort('connectionreset');
  });
  await thread.send(text);
  await thread.shows(text, 'sent');

  const toPeer = posted.filter((body) => body.includes(`"${peer.handle}"`));
  expect(toPeer.length).toBeGreaterThan(1);
  expect(new Set(toPeer).size).toBe(1);
  expect((await peer.inbox()).map((envelope) => peer.open(envelope).text)).toEqual([text]);
});
