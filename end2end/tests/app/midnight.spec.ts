import { expect, test, unique } from '../../support/fixtures.ts';

test('labels follow the day past midnight', async ({ people }) => {
  const alice = await people.visitor();
  const evening = new Date();
  evening.setHours(23, 58, 0, 0);
  // Only the page's clock is moved; the worker, which signs, keeps the real time.
  await alice.page.clock.install({ time: evening });
  await alice.join(`night-${Date.now()}`);
  const peer = await people.peer('peer');
  const thread = await alice.chatWith(peer.handle);
  const text = unique('late');
  await thread.send(text);
  await thread.shows(text, 'sent');
  await expect(thread.log.getByText('Today', { exact: true })).toHaveCount(1);
  await alice.page.clock.fastForward('05:00');
  await expect(thread.log.getByText('Yesterday', { exact: true })).toHaveCount(1);
  await expect(thread.log.getByText('Today', { exact: true })).toHaveCount(0);
  await expect(alice.row(peer.handle)).toContainText('Yesterday');
});
