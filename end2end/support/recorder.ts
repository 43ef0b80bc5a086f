// Records every byte that a browser sends: addresses, headers, bodies, and the frames of its WebSockets.

import type { BrowserContext, Page, Request } from '@playwright/test';
import { keep } from './evidence.ts';

export class Recorder {
  private readonly sent: string[] = [];
  private readonly headers: Promise<void>[] = [];

  constructor(context: BrowserContext) {
    context.on('request', (request) => this.request(request));
    context.on('page', (page) => this.sockets(page));
  }

  /** The bodies of the POST requests to addresses with this ending. */
  bodies(ending: string): string[] {
    return this.sent.filter((entry) => entry.startsWith('POST ') && entry.split('\n', 1)[0]!.endsWith(ending))
      .map((entry) => entry.slice(entry.indexOf('\n') + 1));
  }

  /** The frames that were sent on a WebSocket and hold a message. */
  streamed(): string[] {
    return this.sent.filter((entry) => entry.startsWith('{"id":') && entry.includes('"send":'));
  }

  /** The messages that were sent, whichever way: bodies and frames. */
  messages(): string[] {
    return [...this.bodies('/v1/messages'), ...this.streamed()];
  }

  /** Whether the live stream has brought everything that was there when it was opened. */
  hasCaughtUp(): boolean {
    return this.sent.some((entry) => entry.startsWith('{"epoch":') && entry.includes('"caught_up":'));
  }

  async save(): Promise<void> {
    await Promise.all(this.headers);
    keep('sent', this.sent.join('\n\n'));
  }

  private request(request: Request): void {
    const body = request.postDataBuffer()?.toString('latin1') ?? '';
    this.sent.push(`${request.method()} ${request.url()}\n${body}`);
    // An invitation is the server's own secret: it may appear in this header (docs/SPEC.md, section 3), and nowhere else.
    const headers = request.allHeaders()
      .then(({ 'x-kez-invite': _invitation, ...others }) => { this.sent.push(JSON.stringify(others)); })
      .catch(() => undefined); // The page may be gone by now; its body is kept already.
    this.headers.push(headers);
  }

  private sockets(page: Page): void {
    page.on('websocket', (socket) => {
      this.sent.push(socket.url());
      const frame = ({ payload }: { payload: string | Buffer }) => {
        this.sent.push(Buffer.from(payload as string).toString('latin1'));
      };
      socket.on('framesent', frame);
      socket.on('framereceived', frame);
    });
  }
}
