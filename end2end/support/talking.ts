// Two people who talk.

import { unique } from './fixtures.ts';
import type { Person } from './person.ts';
import type { Thread } from './thread.ts';

/** Two people who have written to each other. */
export async function talking(alice: Person, bob: Person): Promise<{ toBob: Thread; toAlice: Thread; said: string[] }> {
  const said = [unique('hello'), unique('answer')];
  const toBob = await alice.chatWith(bob.handle);
  await toBob.send(said[0]!);
  const toAlice = await bob.openChat(alice.handle);
  await toAlice.shows(said[0]!, 'received');
  await toAlice.send(said[1]!);
  await toBob.shows(said[1]!, 'received');
  return { toBob, toAlice, said };
}
