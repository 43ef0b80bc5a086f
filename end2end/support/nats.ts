// A chat server with a NATS broker beside it, both started by the test: `deploy/nats.conf` with other ports, and the keys
// that `gen-keys` makes.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';

const target = path.resolve(import.meta.dirname, '../..', process.env.CARGO_TARGET_DIR ?? 'target');
const binary = process.env.KEZ_CHAT_SERVER_BINARY ?? path.join(target, 'release', 'kez-chat-server');
const site = process.env.KEZ_CHAT_WEB_DIR ?? path.join(target, 'site');
const broker = process.env.NATS_SERVER ?? path.join(target, 'tools/nats/bin/nats-server');
const conf = path.resolve(import.meta.dirname, '../../deploy/nats.conf');

export class ServerWithNats {
  private broker?: ChildProcess;
  private server?: ChildProcess;

  private constructor(
    private readonly folder: string,
    readonly origin: string,
    private readonly monitoring: number,
  ) {}

  static async start(): Promise<ServerWithNats> {
    const folder = mkdtempSync(path.join(tmpdir(), 'kez-chat-nats-'));
    const [http, nats, monitoring, websocket] = await freePorts();
    const origin = `http://127.0.0.1:${http}`;
    const flags = JSON.parse(execFileSync(binary, ['gen-keys', '--to', folder, '--json'], { encoding: 'utf8' })).flags;
    const text = readFileSync(conf, 'utf8')
      .replace('port: 4222', `port: ${nats}`)
      .replace('http: 127.0.0.1:8222', `http: 127.0.0.1:${monitoring}`)
      .replace('host: 0.0.0.0\n    port: 8443', `host: 127.0.0.1\n    port: ${websocket}`)
      .replace('http://127.0.0.1:6969', origin);
    writeFileSync(path.join(folder, 'nats.conf'), text);
    const both = new ServerWithNats(folder, origin, monitoring!);
    await both.startBroker();
    both.server = spawn(binary, [
      '--bind', `127.0.0.1:${http}`, '--db', path.join(folder, 'kez-chat.db'), '--web-dir', site, '--limits', 'off',
      '--server', 'localhost', '--public-url', origin, '--sig-server-url', 'embedded',
      '--nats-url', `nats://127.0.0.1:${nats}`, '--nats-ws-url', `ws://127.0.0.1:${websocket}`,
      ...Object.entries<string>(flags).flat(),
    ], { stdio: ['ignore', 'ignore', 'pipe'] });
    await said(both.server, 'listening');
    return both;
  }

  async startBroker(): Promise<void> {
    this.broker = spawn(broker, ['-c', 'nats.conf'], { cwd: this.folder, stdio: ['ignore', 'ignore', 'pipe'] });
    await said(this.broker, 'Server is ready');
  }

  async killBroker(): Promise<void> {
    await ended(this.broker, 'SIGKILL');
  }

  /** What those who are connected over WebSocket listen to, as the broker sees it. */
  async listeners(): Promise<string[]> {
    const answer = await fetch(`http://127.0.0.1:${this.monitoring}/connz?subs=1`);
    const { connections } = (await answer.json()) as { connections: { type: string; subscriptions_list?: string[] }[] };
    return connections.filter(({ type }) => type === 'websocket').flatMap((it) => it.subscriptions_list ?? []);
  }

  async stop(): Promise<void> {
    await ended(this.server, 'SIGTERM');
    await ended(this.broker, 'SIGTERM');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Waits for a line on standard error, and reads on so that the pipe does not fill up. */
async function said(process: ChildProcess, text: string): Promise<void> {
  const lines = createInterface({ input: process.stderr! });
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => line.includes(text) && resolve());
    process.once('exit', (code) => reject(new Error(`ended with ${code} before it said ${text}`)));
    process.once('error', reject);
  });
}

async function ended(process: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (!process || process.exitCode !== null || process.signalCode !== null) return;
  const exit = once(process, 'exit');
  process.kill(signal);
  await exit;
}

async function freePorts(): Promise<number[]> {
  const servers = [1, 2, 3, 4].map(() => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
