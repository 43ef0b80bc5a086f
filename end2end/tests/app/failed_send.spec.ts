import { BROKEN_ON_PURPOSE, expect, test, unique } from '../../support/fixtures.ts';
import { interceptMessages, type Outgoing } from '../../support/outgoing.ts';

const refuse = (message: Outgoing) => message.refuse({
  type: 'about:blank', title: 'Unknown handle', status: 404, code: 'unknown_handle', detail: 'No account has this handle.',
});

test('a failed send survives a reload, and a retry makes no duplicate', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  alice.console.allow(BROKEN_ON_PURPOSE);
  const thread = await alice.chatWith(peer.handle);
  const text = unique('does not get through');

  const end = await interceptMessages(alice.context, refuse);
  await thread.send(text);
  await thread.shows(text, 'failed');
  await end();
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

  const end = await interceptMessages(alice.context, refuse);
  await thread.send(gone);
  await thread.shows(gone, 'failed');
  await end();
  await thread.message(gone).getByRole('button', { name: 'Delete' }).click();
  await expect(thread.message(gone)).toHaveCount(0);
  await thread.send(kept);
  await thread.shows(kept, 'sent');
  await alice.reload();
  await thread.showsInOrder([kept]);
  expect((await peer.inbox()).map((envelope) => peer.open(envelope).text)).toEqual([kept]);
});

for (const way of ['stream', 'POST'] as const) {
  test(`a message with a lost answer is repeated with the same bytes: ${way}`, async ({ people }) => {
    const alice = await people.join('alice');
    const peer = await people.peer('peer');
    alice.console.allow(BROKEN_ON_PURPOSE);
    const thread = await alice.chatWith(peer.handle);
    await alice.streams();
    const text = unique('answer lost');
    const messages: Outgoing[] = [];
    await interceptMessages(alice.context, async (message) => {
      messages.push(message);
      if (messages.length > 1) return message.pass();
      await message.reachServer();
      return message.breakOff();
    }, way === 'POST' ? way : undefined);
    await thread.send(text);
    await thread.shows(text, 'sent');

    expect(messages[0]!.way).toBe(way);
    const toPeer = messages.map(({ body }) => body).filter((body) => body.includes(`"${peer.handle}"`));
    expect(toPeer.length).toBeGreaterThan(1);
    expect(new Set(toPeer).size).toBe(1);
    expect((await peer.inbox()).map((envelope) => peer.open(envelope).text)).toEqual([text]);
  });
}

test('a message goes on the live stream, without a POST', async ({ people }) => {
  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  await alice.streams();
  const text = unique('on the stream');
  await thread.send(text);
  await thread.shows(text, 'sent');
  await expect.poll(() => alice.recorder.streamed().length).toBe(2);
  const [message, copy] = alice.recorder.streamed();
  expect(message).toContain(`"to":"${peer.handle}"`);
  expect(copy).toContain(`"to":"${alice.handle}"`);
  expect(alice.recorder.bodies('/v1/messages')).toEqual([]);
  expect((await peer.inbox()).map((envelope) => peer.open(envelope).text)).toEqual([text]);
});
