// The end of a tab without a farewell.

import type { Page } from '@playwright/test';

/** Kills the process behind a page. */
export async function crash(page: Page): Promise<void> {
  const crashed = page.waitForEvent('crash');
  const session = await page.context().newCDPSession(page);
  // The process is gone, so the call gets no answer.
  session.send('Page.crash').catch(() => undefined);
  await crashed;
}
