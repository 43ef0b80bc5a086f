// Checks that the console stays empty: no error, no warning, no uncaught exception, no policy violation.

import { expect, type BrowserContext } from '@playwright/test';

/** What Chromium itself logs about requests that a test breaks on purpose. */
export const BROKEN_ON_PURPOSE = /Failed to load resource|net::ERR_INTERNET_DISCONNECTED|WebSocket connection to/;

export class ConsoleGuard {
  private readonly said: string[] = [];
  private readonly allowed: RegExp[] = [];

  constructor(context: BrowserContext) {
    context.on('console', (message) => {
      if (['error', 'warning', 'assert'].includes(message.type())) {
        this.said.push(`${message.type()}: ${message.text()} (${message.location().url})`);
      }
    });
    context.on('weberror', (error) => this.said.push(`uncaught: ${error.error()}`));
  }

  allow(what: RegExp): void {
    this.allowed.push(what);
  }

  check(): void {
    const unexpected = this.said.filter((line) => !this.allowed.some((allowed) => allowed.test(line)));
    expect(unexpected, 'the console stays empty').toEqual([]);
  }
}
