// The bytes that a visit loads, as the browser counts them: compressed, as they crossed the network.

import { expect, type Page } from '@playwright/test';

export interface Loaded {
  name: string;
  bytes: number;
  /** The end of loading, in milliseconds after the start of the navigation. */
  end: number;
}

/** Sets a performance mark when the page is hydrated. An init script. */
function noteHydration(): void {
  const observer = new MutationObserver(() => {
    if (document.body?.dataset.hydrated !== 'true') return;
    performance.mark('hydrated');
    observer.disconnect();
  });
  observer.observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-hydrated'] });
}

/** The resources loaded in this context (Resource Timing, `encodedBodySize`). Runs in the browser. */
function entries(): Loaded[] {
  const all = ['navigation', 'resource'].flatMap((type) => performance.getEntriesByType(type));
  return (all as PerformanceResourceTiming[])
    .map(({ name, encodedBodySize, responseEnd }) => ({ name, bytes: encodedBodySize, end: responseEnd }));
}

/** What page and worker have loaded once the network is idle. `noteHydration` must have run in the page. */
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
