// A conversation on the screen.

import { expect, type Locator, type Page } from '@playwright/test';

export type State = 'sending' | 'sent' | 'failed' | 'received' | 'undecryptable';

export class Thread {
  readonly log: Locator;
  readonly composer: Locator;
  readonly messages: Locator;

  constructor(readonly page: Page, readonly handle: string) {
    this.log = page.getByRole('log', { name: `Messages with @${handle}`, exact: true });
    this.composer = page.getByRole('textbox', { name: 'Message', exact: true });
    this.messages = this.log.getByRole('article');
  }

  async send(text: string): Promise<void> {
    await expect(this.composer).toBeEnabled();
    await this.composer.fill(text);
    await this.page.getByRole('button', { name: 'Send', exact: true }).click();
  }

  /** The row with an element that contains exactly this text. */
  message(text: string): Locator {
    return this.messages.filter({ has: this.page.getByText(text, { exact: true }) });
  }

  async shows(text: string, state: State): Promise<void> {
    await expect(this.message(text)).toHaveCount(1);
    await expect(this.message(text)).toHaveAttribute('data-state', state);
  }

  /** Expects exactly as many messages as texts, each containing its text, in this order. */
  async showsInOrder(texts: string[]): Promise<void> {
    await expect(this.messages).toHaveCount(texts.length);
    for (const [place, text] of texts.entries()) await expect(this.messages.nth(place)).toContainText(text);
  }

  connection(): Locator {
    return this.page.getByRole('status', { name: 'Connection' });
  }
}
