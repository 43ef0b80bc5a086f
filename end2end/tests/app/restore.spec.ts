import { expect, test, unique } from '../../support/fixtures.ts';
import { talking } from '../../support/talking.ts';

test('the phrase restores the handle and all envelopes in a fresh browser', async ({ people }) => {
  const bob = await people.join('bob');
  const peer = await people.peer('peer');
  const [answer, more, copied] = [unique('answer'), unique('from the restored browser'), unique('seen in both')];
  const question = await peer.say(bob.handle, 'question');
  const here = await bob.openChat(peer.handle);
  await here.shows(question, 'received');
  await here.send(answer);
  await here.shows(answer, 'sent');

  const elsewhere = await people.visitor();
  await elsewhere.restore(bob.words);
  const restored = await elsewhere.openChat(peer.handle);
  await restored.showsInOrder([question, answer]);
  await restored.shows(question, 'received');
  await restored.shows(answer, 'sent');

  await restored.send(more);
  await here.shows(more, 'sent');
  await here.send(copied);
  await restored.shows(copied, 'sent');
  const late = await peer.say(bob.handle, 'late');
  for (const thread of [restored, here]) {
    await thread.shows(late, 'received');
    await thread.showsInOrder([question, answer, more, copied, late]);
  }
  await elsewhere.reload();
  await restored.showsInOrder([question, answer, more, copied, late]);
  expect((await peer.inbox()).map((envelope) => peer.open(envelope).text)).toEqual([answer, more, copied]);
});

test('a restored browser reads over MLS what is sent from then on', async ({ people }) => {
  const [alice, bob] = [await people.join('alice'), await people.join('bob')];
  const { toBob, toAlice, said } = await talking(alice, bob);

  const elsewhere = await people.visitor();
  await elsewhere.restore(bob.words);
  const joined = alice.page.locator('[data-line="device"]');
  await expect(joined).toHaveText(`@${bob.handle} added a device`);
  const [copied, more] = [unique('seen in both'), unique('from the restored browser')];
  await toBob.send(copied);
  await toAlice.shows(copied, 'received');
  const restored = await elsewhere.openChat(alice.handle);
  await restored.shows(copied, 'received');
  await restored.send(more);
  await toBob.shows(more, 'received');
  await toAlice.shows(more, 'sent');
  await restored.showsInOrder([copied, more]);
  await elsewhere.reload();
  await restored.showsInOrder([copied, more]);
  await toAlice.showsInOrder([...said, copied, more]);
});

test('what was kept for the words is there in a restored browser', async ({ people }) => {
  // Messages are kept a minute after they have come.
  test.setTimeout(150_000);
  const [alice, bob] = [await people.join('alice'), await people.join('bob')];
  const { said } = await talking(alice, bob);

  await bob.open('/settings');
  const keep = bob.page.getByRole('checkbox', { name: 'Keep history for my recovery words', exact: true });
  await expect(bob.page.getByRole('note')).toHaveText('Only this browser has your messages. If it is lost, so are they.');
  await keep.check();
  await expect(bob.page.getByRole('note')).toBeHidden();
  await bob.reload();
  await expect(keep).toBeChecked();
  await expect.poll(() => bob.recorder.messages().length, { timeout: 100_000 }).toBe(1);

  const elsewhere = await people.visitor();
  await elsewhere.restore(bob.words);
  const restored = await elsewhere.openChat(alice.handle);
  await restored.showsInOrder(said);
  await elsewhere.open('/settings');
  await expect(elsewhere.page.getByRole('checkbox', { name: 'Keep history for my recovery words', exact: true })).toBeChecked();
});

test('an invalid phrase and a phrase without an account get different errors', async ({ people }) => {
  const visitor = await people.visitor();
  await visitor.open('/restore');
  const phrase = visitor.textbox('Recovery phrase');
  await phrase.fill('these are not the words');
  await visitor.button('Restore account').click();
  await expect(visitor.page.getByRole('alert')).toContainText(/24 words/);

  // Entropy of zeros: a valid phrase whose checksum word is "art", and that belongs to no account.
  await phrase.fill(`${'abandon '.repeat(23)}art`);
  await visitor.button('Restore account').click();
  await expect(visitor.page.getByRole('alert')).toContainText(/No account/);
});
