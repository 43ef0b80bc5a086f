// Measures the client in a headless browser, for `kez-bench client`. Each test prints lines
// `figure<TAB>name<TAB>value<TAB>unit`, and judges nothing. KEZ_MEASURE_HISTORY is the length of the longest history in
// messages (50,000 by default).

import { readFileSync } from 'node:fs';
import type { Browser, CDPSession, Page } from '@playwright/test';
import { expect, test } from '../support/fixtures.ts';
import { transferred } from '../support/loading.ts';
import type { Peer } from '../support/peer.ts';
import type { Person } from '../support/person.ts';

const LONG_HISTORY = Number(process.env.KEZ_MEASURE_HISTORY ?? 50_000);
const HISTORY = Math.min(10_000, LONG_HISTORY);
/** A text of this length makes a message of 1 KiB on the wire. */
const TEXT = 'x'.repeat(420);

test.describe.configure({ mode: 'serial', timeout: 1_800_000 });

function figure(name: string, value: number, unit: string): void {
  console.log(['figure', name, value.toFixed(unit === 'bytes' ? 0 : 1), unit].join('\t'));
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

test('bytes and time to interactive', async ({ browser, baseURL }) => {
  for (const slowdown of [1, 4]) {
    const times: number[] = [];
    for (let run = 0; run < 5; run++) {
      const context = await browser.newContext({ baseURL });
      const page = await context.newPage();
      const session = await context.newCDPSession(page);
      await session.send('Emulation.setCPUThrottlingRate', { rate: slowdown });
      await page.addInitScript(transferred.noteHydration);
      await page.goto('/messages');
      await expect(page.locator('body')).toHaveAttribute('data-hydrated', 'true');
      times.push(await page.evaluate(() => performance.getEntriesByName('hydrated')[0]!.startTime));
      if (slowdown === 1 && run === 0) {
        const { untilReacting, together } = await transferred.measure(page);
        figure('bytes until the page reacts', untilReacting, 'bytes');
        figure('bytes of page and worker', together, 'bytes');
      }
      await context.close();
    }
    figure(`page reacts, cold, CPU ${slowdown}x slower, median of 5`, median(times), 'ms');
    figure(`page reacts, cold, CPU ${slowdown}x slower, worst of 5`, Math.max(...times), 'ms');
  }
});

test('memory, catching up, opening a thread, typing', async ({ people, browser }) => {
  const empty = await people.join('empty');
  await settled(empty.page);
  const base = await privateMemory(browser, empty.page);
  figure('private memory, empty account', base, 'MiB');
  await empty.page.goto('about:blank');

  const alice = await people.join('alice');
  const peer = await people.peer('peer');
  await peer.say(alice.handle, 'the first');
  await alice.accept(peer.handle);
  await alice.page.goto('about:blank');

  await post(peer, alice.handle, HISTORY, HISTORY);
  const caughtUp = await catchUp(alice, peer.handle, HISTORY);
  figure(`catching up with ${HISTORY} messages`, caughtUp.took, 'ms');
  figure('longest task of the page while catching up', caughtUp.longestTask, 'ms');
  await opening(alice, peer.handle, HISTORY);
  figure(`private memory above an empty account, ${HISTORY} messages`, await privateMemory(browser, alice.page) - base, 'MiB');

  await alice.openChat(peer.handle);
  for (const rows of [100, 3_000]) {
    await passRows(alice, peer.handle, rows);
    const paints = await typing(alice.page);
    figure(`key to paint, ${rows} rows passed, median`, median(paints), 'ms');
    figure(`key to paint, ${rows} rows passed, worst of ${paints.length}`, Math.max(...paints), 'ms');
  }

  if (LONG_HISTORY <= HISTORY) return;
  await alice.page.goto('about:blank');
  await post(peer, alice.handle, LONG_HISTORY - HISTORY, LONG_HISTORY);
  await catchUp(alice, peer.handle, LONG_HISTORY);
  await opening(alice, peer.handle, LONG_HISTORY);
  figure(`private memory above an empty account, ${LONG_HISTORY} messages`, await privateMemory(browser, alice.page) - base, 'MiB');
});

/** The text of the last message, when there are `total`. */
const lastOf = (total: number) => `the last of ${total} messages`;

/** Posts `count` messages, sixteen at a time. The last one is posted alone, and its text marks the end. */
async function post(peer: Peer, to: string, count: number, total: number): Promise<void> {
  const primary = await peer.primaryOf(to);
  let left = count - 1;
  // Each message is sealed right before it is posted: the server closes connections that stay silent while thousands are
  // sealed.
  await Promise.all(Array.from({ length: 16 }, async () => {
    while (left-- > 0) await peer.deliver(to, peer.seal(primary, TEXT));
  }));
  await peer.deliver(to, peer.seal(primary, lastOf(total)));
}

/** Opens the list and waits until the newest message is its preview. */
async function catchUp(person: Person, from: string, total: number): Promise<{ took: number; longestTask: number }> {
  await person.page.addInitScript(noteLongTasks);
  const start = performance.now();
  await person.page.goto('/messages');
  await expect(person.row(from)).toContainText(lastOf(total), { timeout: 600_000 });
  const took = performance.now() - start;
  const longestTask = await person.page.evaluate(() => (globalThis as any).longestTask as number);
  return { took, longestTask };
}

/** Measures from the click on a row to the first messages on screen, after the account has been reopened. */
async function opening(person: Person, from: string, total: number): Promise<void> {
  const start = performance.now();
  await person.open('/messages');
  await expect(person.row(from)).toContainText(lastOf(total), { timeout: 600_000 });
  figure(`account opens, ${total} messages`, performance.now() - start, 'ms');
  await settled(person.page);
  const took = await person.row(from).evaluate((row) => new Promise<number>((resolve) => {
    const clicked = performance.now();
    (row as HTMLElement).click();
    const look = () => {
      if (document.querySelector('[role=log] article')) requestAnimationFrame(() => resolve(performance.now() - clicked));
      else requestAnimationFrame(look);
    };
    look();
  }));
  figure(`thread opens, ${total} messages`, took, 'ms');
}

/** Scrolls up until the given number of rows has been on screen. */
async function passRows(person: Person, from: string, rows: number): Promise<void> {
  const { log } = person.thread(from);
  await log.evaluate(async (element, wanted) => {
    const seen = new Set<string>();
    let still = 0;
    while (seen.size < wanted && still < 200) {
      const before = seen.size;
      for (const row of element.querySelectorAll('article')) seen.add(row.id || row.dataset.id || String(seen.size));
      element.scrollTop = 0;
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 0)));
      still = seen.size === before ? still + 1 : 0;
    }
  }, rows);
}

/** Measures from a key press to the frame that shows it, forty times. */
async function typing(page: Page): Promise<number[]> {
  const composer = page.getByRole('textbox', { name: 'Message', exact: true });
  await composer.click();
  await composer.evaluate((box) => {
    const paints: number[] = [];
    (globalThis as any).paints = paints;
    box.addEventListener('keydown', (event) => {
      requestAnimationFrame(() => {
        const channel = new MessageChannel();
        channel.port1.onmessage = () => paints.push(performance.now() - event.timeStamp);
        channel.port2.postMessage(0);
      });
    });
  });
  for (let key = 0; key < 40; key++) {
    await page.keyboard.press('a');
    await expect.poll(() => page.evaluate(() => (globalThis as any).paints.length)).toBe(key + 1);
  }
  await composer.fill('');
  return page.evaluate(() => (globalThis as any).paints as number[]);
}

/** Waits for two idle periods of the page. Does not wait for the worker or the network. */
async function settled(page: Page): Promise<void> {
  await page.evaluate(async () => {
    for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => requestIdleCallback(resolve));
  });
}

/** Private memory of the process that runs page and worker, after a garbage collection, in MiB (proc(5), `smaps_rollup`). */
async function privateMemory(browser: Browser, page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  const pid = await rendererOf(await browser.newBrowserCDPSession(), page);
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kib = [...rollup.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB$/gm)].reduce((sum, [, value]) => sum + Number(value), 0);
  return kib / 1024;
}

/** Finds the page's renderer process: the one that uses CPU while the page is kept busy. Chromium does not expose it. */
async function rendererOf(session: CDPSession, page: Page): Promise<number> {
  const renderers = async () => {
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    return new Map(processInfo.filter(({ type }) => type === 'renderer').map(({ id, cpuTime }) => [id, cpuTime]));
  };
  const before = await renderers();
  await page.evaluate(() => { const end = performance.now() + 300; while (performance.now() < end); });
  const after = [...await renderers()].map(([id, time]) => [id, time - (before.get(id) ?? 0)] as const);
  return after.toSorted(([, a], [, b]) => b - a)[0]![0];
}

/** Records the longest task of the page. Runs in the browser. */
function noteLongTasks(): void {
  const kept = globalThis as unknown as { longestTask: number };
  kept.longestTask = 0;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) kept.longestTask = Math.max(kept.longestTask, duration);
  }).observe({ type: 'longtask', buffered: true });
}
