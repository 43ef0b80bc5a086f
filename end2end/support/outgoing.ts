// Intercepts the messages that the app sends, whichever way they go: on the live stream, or as a POST. Playwright cannot
// intercept the WebSocket of a worker, but it can intercept requests: so the worker asks about each frame in a
// request.

import type { BrowserContext, Route } from '@playwright/test';

/** A message on its way to the server. */
export interface Outgoing {
  /** The body, as for `POST /v1/messages`. */
  readonly body: string;
  readonly way: 'stream' | 'POST';
  /** Lets it go on, as if nothing had happened. */
  pass(): Promise<void>;
  /** Lets it go on, and waits until the server has answered. The app does not get the answer. */
  reachServer(): Promise<void>;
  /** Answers in the server's place. */
  refuse(problem: { status: number } & Record<string, unknown>): Promise<void>;
  /** Breaks the connection. */
  breakOff(): Promise<void>;
}

type Handler = (message: Outgoing) => Promise<void>;

const POSTS = '**/v1/messages';
const FRAMES = '**/held-frame';
const ANSWERS = '**/held-answer';

/**
 * Intercepts the messages of the tabs that are open now. With `only` set to "POST", the stream breaks before it takes
 * any message. Returns a function that ends the interception.
 */
export async function interceptMessages(
  context: BrowserContext, handler: Handler, only?: 'POST',
): Promise<() => Promise<void>> {
  const answered = new Map<number, (route: Route) => void>();
  await context.route(POSTS, (route) => handler(posted(route)));
  await context.route(FRAMES, (route) => handler(streamed(route, answered)));
  await context.route(ANSWERS, (route) => answered.get((route.request().postDataJSON() as { id: number }).id)!(route));
  await inWorkers(context, only === 'POST' ? breakFrames : holdFrames);
  return async () => {
    await inWorkers(context, releaseFrames);
    for (const routed of [POSTS, FRAMES, ANSWERS]) await context.unroute(routed);
  };
}

function posted(route: Route): Outgoing {
  return {
    body: route.request().postData()!,
    way: 'POST',
    pass: () => route.continue(),
    reachServer: async () => { await route.fetch(); },
    refuse: ({ status, ...problem }) => route.fulfill({ status, contentType: 'application/problem+json', json: { status, ...problem } }),
    breakOff: () => route.abort('connectionreset'),
  };
}

function streamed(route: Route, answered: Map<number, (route: Route) => void>): Outgoing {
  const frame = route.request().postData()!;
  const { id } = JSON.parse(frame) as { id: number };
  let held = route;
  return {
    // The bytes of the envelope matter, so the body is cut out, not serialised again.
    body: frame.slice(frame.indexOf('"send":') + '"send":'.length, -1),
    way: 'stream',
    pass: () => held.fulfill({ body: 'pass' }),
    reachServer: async () => {
      const answer = new Promise<Route>((resolve) => answered.set(id, resolve));
      await held.fulfill({ body: 'hold the answer' });
      held = await answer;
    },
    refuse: ({ status, ...problem }) => held.fulfill({ json: { id, status, body: { status, ...problem } } }),
    breakOff: () => held.fulfill({ body: 'break off' }),
  };
}

async function inWorkers(context: BrowserContext, script: () => void): Promise<void> {
  await Promise.all(context.pages().flatMap((page) => page.workers()).map((worker) => worker.evaluate(script)));
}

/** Runs in the worker: asks what to do with each message on a stream. */
function holdFrames(): void {
  const { prototype } = WebSocket as unknown as { prototype: WebSocket & { sendNow?: WebSocket['send'] } };
  prototype.sendNow ??= prototype.send;
  const ask = async (path: string, body: string) => (await fetch(path, { method: 'POST', body })).text();
  prototype.send = function (this: WebSocket & { sendNow: WebSocket['send'] }, frame) {
    const text = String(frame);
    if (!text.startsWith('{"id":')) return this.sendNow(frame);
    const app = this.onmessage;
    const obey = (verdict: string) => {
      if (verdict === 'pass') this.sendNow(text);
      else if (verdict === 'break off') this.close();
      else if (verdict.startsWith('{')) app?.call(this, new MessageEvent('message', { data: verdict }));
      else {
        this.onmessage = (event) => {
          const { id } = JSON.parse(String(event.data)) as { id?: number };
          if (id === (JSON.parse(text) as { id: number }).id) void ask('/held-answer', String(event.data)).then(obey);
          else app?.call(this, event);
        };
        this.sendNow(text);
      }
    };
    void ask('/held-frame', text).then(obey);
  };
}

/** Runs in the worker: no message gets onto a stream. */
function breakFrames(): void {
  const { prototype } = WebSocket as unknown as { prototype: WebSocket & { sendNow?: WebSocket['send'] } };
  prototype.sendNow ??= prototype.send;
  prototype.send = function (this: WebSocket & { sendNow: WebSocket['send'] }, frame) {
    if (String(frame).startsWith('{"id":')) throw new Error('the stream is broken');
    this.sendNow(frame);
  };
}

/** Runs in the worker: messages go on the stream again. */
function releaseFrames(): void {
  const { prototype } = WebSocket as unknown as { prototype: WebSocket & { sendNow?: WebSocket['send'] } };
  if (prototype.sendNow) prototype.send = prototype.sendNow;
}
