// What a visit loads, as the browser counts it: compressed bytes that crossed the network.

import { expect, type Page } from '@playwright/test';

export interface Loaded {
  name: string;
  bytes: number;
  /** Milliseconds after the navigation began. */
  end: number;
}

/** Marks in the page when it was hydrated. An init script. */
function noteHydration(): void {
  const observer = new MutationObserver(() => {
    if (document.body?.dataset.hydrated !== 'true') return;
    performance.mark('hydrated');
    observer.disconnect();
  });
  observer.observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-hydrated'] });
}

/** What was loaded in this context (Resource Timing, `encodedBodySize`). Runs in the browser. */
function entries(): Loaded[] {
  const all = ['navigation', 'resource'].flatMap((type) => performance.getEntriesByType(type));
  return (all as PerformanceResourceTiming[])
    .map(({ name, encodedBodySize, responseEnd }) => ({ name, bytes: encodedBodySize, end: responseEnd }));
}

/** What page and worker of a page have loaded once both are idle. `noteHydration` must have run in it. */
async function measure(page: Page) {
  await page.waitForLoadState('networkidle');
  const inPage = await page.evaluate(entries);
  expect(page.workers()).toHaveLength(1);
  const inWorker = await page.workers()[0]!.evaluate(entries);
  const hydrated = await page.evaluate(() => performance.getEntriesByName('hydrated')[0]!.startTime);
  const sum = (loaded: Loaded[]) => loaded.reduce((total, { bytes }) => total + bytes, 0);
  return {
    inPage, inWorker,
    untilReacting: sum(inPage.filter(({ end }) => end <= hydrated)),
    together: sum([...inPage, ...inWorker]),
  };
}

export const transferred = { noteHydration, measure };
