// The fixtures: users with browsers of their own, and a check after each test that their consoles stayed empty.

import { randomBytes } from 'node:crypto';
import { expect, test as base, type BrowserContextOptions } from '@playwright/test';
import { Person, type JoinOptions } from './person.ts';
import { Peer } from './peer.ts';

export { expect };
export { unique } from './evidence.ts';
export { BROKEN_ON_PURPOSE } from './console_guard.ts';

export interface People {
  /** A user with a fresh browser and no account. */
  visitor(options?: BrowserContextOptions): Promise<Person>;
  /** A user who has just created an account; the handle begins with `name`. */
  join(name: string, options?: JoinOptions, context?: BrowserContextOptions): Promise<Person>;
  /** A registered identity without a browser: an independent client that a test drives itself. */
  peer(name: string): Promise<Peer>;
}

export const test = base.extend<{ people: People }>({
  people: async ({ browser, baseURL }, use) => {
    const here: Person[] = [];
    const visitor = async (options?: BrowserContextOptions) => {
      const person = await Person.arrives(await browser.newContext({ baseURL, ...options }));
      here.push(person);
      return person;
    };
    const join = async (name: string, options?: JoinOptions, context?: BrowserContextOptions) => {
      const person = await visitor(context);
      await person.join(handleFrom(name), options);
      return person;
    };
    const peer = async (name: string) => Peer.register(baseURL!, handleFrom(name));
    await use({ visitor, join, peer });
    for (const person of here) await person.leave();
    for (const person of here) person.console.check();
  },
});

/** Waits for the next second: the list of conversations is ordered by whole seconds, so a newer message needs a later one. */
export async function nextSecond(): Promise<void> {
  const second = () => Math.floor(Date.now() / 1000);
  const now = second();
  await expect.poll(second).toBeGreaterThan(now);
}

/** A handle that no other test has. */
export function handleFrom(name: string): string {
  return `${name}-${randomBytes(5).toString('hex')}`;
}
