// Groups as a person sees them.

import { expect, type Locator, type Page } from '@playwright/test';

import type { Person } from './person.ts';

/** The thread of a group in a page. */
export class Group {
  constructor(readonly page: Page, readonly name: string) {}

  get log(): Locator {
    return this.page.getByRole('log', { name: `Messages in ${this.name}`, exact: true });
  }

  get composer(): Locator {
    return this.page.getByRole('textbox', { name: 'Message', exact: true });
  }

  line(kind: string, text: string): Locator {
    return this.log.locator(`[data-line="${kind}"]`).filter({ hasText: text });
  }

  async send(text: string): Promise<void> {
    await this.composer.fill(text);
    await this.composer.press('Enter');
    await this.shows(text, 'sent');
  }

  message(text: string): Locator {
    return this.log.getByRole('article').filter({ has: this.page.getByText(text, { exact: true }) });
  }

  async shows(text: string, state: 'sent' | 'received'): Promise<void> {
    await expect(this.message(text)).toHaveAttribute('data-state', state);
  }

  async members(): Promise<Locator> {
    await this.page.getByRole('button', { name: 'Members', exact: true }).click();
    return this.page.getByRole('dialog', { name: 'Group members' });
  }
}

/** Creates a group with these members. */
export async function createGroup(person: Person, name: string, members: string[]): Promise<Group> {
  await person.button('New group').click();
  const dialog = person.page.getByRole('dialog', { name: 'New group' });
  await dialog.getByRole('textbox', { name: 'Group name' }).fill(name);
  await dialog.getByRole('textbox', { name: 'Members' }).fill(members.join(', '));
  await dialog.getByRole('button', { name: 'Create group' }).click();
  await person.page.waitForURL('**/messages/g/*');
  return new Group(person.page, name);
}

/** Opens a group of the list. */
export async function openGroup(person: Person, name: string): Promise<Group> {
  await person.conversations().getByRole('link', { name: new RegExp(`^${name}\\b`) }).click();
  await person.page.waitForURL('**/messages/g/*');
  return new Group(person.page, name);
}
