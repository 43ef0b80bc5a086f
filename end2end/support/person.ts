// A user with a browser of their own. Elements are found by role and name, as a screen reader finds them.

import { expect, type BrowserContext, type Locator, type Page } from '@playwright/test';
import { ConsoleGuard } from './console_guard.ts';
import { mustStaySecret, phraseMustStaySecret } from './evidence.ts';
import { Recorder } from './recorder.ts';
import { keepStorage } from './storage.ts';
import { Thread } from './thread.ts';

export interface JoinOptions {
  passphrase?: string;
}

export class Person {
  handle = '';
  words: string[] = [];
  readonly console: ConsoleGuard;
  readonly recorder: Recorder;

  private constructor(readonly context: BrowserContext) {
    this.console = new ConsoleGuard(context);
    this.recorder = new Recorder(context);
  }

  page!: Page;

  static async arrives(context: BrowserContext): Promise<Person> {
    const person = new Person(context);
    person.page = await context.newPage();
    return person;
  }

  async open(path: string): Promise<void> {
    await this.page.goto(path);
    await this.ready();
  }

  /** Waits until the app reacts to input. */
  async ready(page = this.page): Promise<void> {
    await expect(page.locator('body')).toHaveAttribute('data-hydrated', 'true');
  }

  async reload(): Promise<void> {
    await this.page.reload();
    await this.ready();
  }

  /** Opens another tab of the same browser. */
  async newTab(path: string): Promise<Page> {
    const tab = await this.context.newPage();
    await tab.goto(path);
    await this.ready(tab);
    return tab;
  }

  async join(handle: string, { passphrase = '' }: JoinOptions = {}): Promise<void> {
    await this.open('/join');
    await this.chooseHandle(handle);
    await this.confirmPhrase(await this.readPhrase());
    await this.choosePassphrase(passphrase);
    await this.page.waitForURL('**/messages');
    this.handle = handle;
  }

  async chooseHandle(handle: string): Promise<void> {
    await this.textbox('Handle').fill(handle);
    await expect(this.page.getByText('Available', { exact: true })).toBeVisible();
    await this.button('Continue').click();
  }

  /** Reads the 24 words and continues to the step that asks for three of them. */
  async readPhrase(): Promise<string[]> {
    const items = this.page.getByRole('list', { name: 'Recovery phrase' }).getByRole('listitem');
    await expect(items).toHaveCount(24);
    this.words = (await items.allInnerTexts()).map((text) => text.replace(/[^a-z]/g, ''));
    phraseMustStaySecret(this.words);
    const asked = this.page.getByRole('textbox', { name: /^Word \d+$/ });
    if ((await asked.count()) === 0) await this.button('Continue').click();
    return this.words;
  }

  async confirmPhrase(words: string[]): Promise<void> {
    await this.typeAskedWords(words);
    await this.button('Confirm phrase').click();
  }

  /** Types the three words that the page asks for. */
  async typeAskedWords(words: string[]): Promise<void> {
    const asked = this.page.getByRole('textbox', { name: /^Word \d+$/ });
    await expect(asked).toHaveCount(3);
    for (const box of await asked.all()) {
      const label = await box.evaluate((input: HTMLInputElement) => input.ariaLabel ?? input.labels?.[0]?.textContent ?? '');
      await box.fill(words[Number(label.match(/\d+/)?.[0]) - 1]!);
    }
  }

  async choosePassphrase(passphrase: string): Promise<void> {
    if (passphrase) {
      mustStaySecret(passphrase);
      await this.textbox('Passphrase').fill(passphrase);
      await this.textbox('Repeat passphrase').fill(passphrase);
    }
    await this.button('Create account').click();
  }

  async restore(words: string[], passphrase = ''): Promise<void> {
    await this.open('/restore');
    await this.textbox('Recovery phrase').fill(words.join(' '));
    if (passphrase) await this.textbox('Passphrase').fill(passphrase);
    await this.button('Restore account').click();
    await this.page.waitForURL('**/messages');
  }

  /** Waits until messages go on the live stream. */
  async streams(): Promise<void> {
    await expect.poll(() => this.recorder.hasCaughtUp()).toBe(true);
  }

  /** In the settings: reads the rotation phrase, and confirms that it is written down. */
  async takeRotationPhrase(): Promise<string[]> {
    await this.open('/settings');
    await this.button('Show rotation phrase').click();
    const items = this.page.getByRole('list', { name: 'Rotation phrase' }).getByRole('listitem');
    await expect(items).toHaveCount(24);
    const words = (await items.allInnerTexts()).map((text) => text.replace(/[^a-z]/g, ''));
    phraseMustStaySecret(words);
    await this.button('I have written it down').click();
    await this.typeAskedWords(words);
    await this.button('Confirm rotation phrase').click();
    await expect(this.button('Show rotation phrase')).toHaveCount(0);
    return words;
  }

  /** The list "Key history" of the open page. */
  keyHistory(): Locator {
    return this.page.getByRole('list', { name: 'Key history' }).getByRole('listitem');
  }

  async unlock(passphrase: string): Promise<void> {
    await this.textbox('Passphrase').fill(passphrase);
    await this.button('Unlock').click();
  }

  /** Starts a conversation through the dialog and returns its thread. */
  async chatWith(handle: string): Promise<Thread> {
    if (!new URL(this.page.url()).pathname.startsWith('/messages')) await this.open('/messages');
    await this.button('New conversation').click();
    const dialog = this.page.getByRole('dialog', { name: 'New conversation' });
    await dialog.getByRole('textbox', { name: 'To', exact: true }).fill(handle);
    await dialog.getByRole('button', { name: 'Start', exact: true }).click();
    await this.page.waitForURL(`**/messages/${handle}`);
    const thread = this.thread(handle);
    // Messages that come before the thread is open are unread, and then it opens at the first of them.
    await expect(thread.log).toBeVisible();
    return thread;
  }

  /** Opens a conversation from the list. */
  async openChat(handle: string): Promise<Thread> {
    await this.row(handle).click();
    await this.page.waitForURL(`**/messages/${handle}`);
    return this.thread(handle);
  }

  thread(handle: string, page = this.page): Thread {
    return new Thread(page, handle);
  }

  conversations(page = this.page): Locator {
    return page.getByRole('navigation', { name: 'Conversations' });
  }

  row(handle: string, page = this.page): Locator {
    return this.conversations(page).getByRole('link', { name: new RegExp(`^@${handle}\\b`) });
  }

  /** Accepts the request of a stranger. */
  async accept(handle: string, page = this.page): Promise<void> {
    const link = page.getByRole('link', { name: new RegExp(`^@${handle}\\b`) });
    const item = this.conversations(page).getByRole('listitem').filter({ has: link });
    await item.getByRole('button', { name: 'Accept', exact: true }).click();
    await expect(item.getByRole('button', { name: 'Accept', exact: true })).toHaveCount(0);
  }

  textbox(name: string): Locator {
    return this.page.getByRole('textbox', { name, exact: true });
  }

  button(name: string): Locator {
    return this.page.getByRole('button', { name, exact: true });
  }

  link(name: string): Locator {
    return this.page.getByRole('link', { name, exact: true });
  }

  /** Stores what the browser sent and kept as evidence, and closes the browser. */
  async leave(): Promise<void> {
    await this.context.setOffline(false);
    const page = await this.context.newPage();
    await page.goto('/v1/healthz');
    await keepStorage(page);
    await this.recorder.save();
    await this.context.close();
  }
}
