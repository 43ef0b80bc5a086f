import { expect, test, unique } from '../../support/fixtures.ts';

test('the phrase restores the handle and all messages in a fresh browser', async ({ people }) => {
  const [alice, bob] = [await people.join('alice'), await people.join('bob')];
  const [question, answer] = [unique('question'), unique('answer')];
  const toBob = await alice.chatWith(bob.handle);
  await toBob.send(question);
  const toAlice = await bob.openChat(alice.handle);
  await toAlice.send(answer);
  await toAlice.shows(answer, 'sent');
  await toBob.shows(answer, 'received');

  const elsewhere = await people.visitor();
  await elsewhere.restore(bob.words);
  const restored = await elsewhere.openChat(alice.handle);
  await restored.showsInOrder([question, answer]);
  await restored.shows(question, 'received');
  await restored.shows(answer, 'sent');

  const [more, copied] = [unique('from the restored browser'), unique('seen in both')];
  await restored.send(more);
  await toBob.shows(more, 'received');
  await toAlice.shows(more, 'sent');
  await toBob.send(copied);
  await restored.shows(copied, 'received');
  await toAlice.shows(copied, 'received');
  await restored.showsInOrder([question, answer, more, copied]);
  await elsewhere.reload();
  await restored.showsInOrder([question, answer, more, copied]);
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
