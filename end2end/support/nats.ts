// A chat server with a NATS broker, both started by the test: `deploy/nats.conf` with other ports, and the keys that
// `gen-keys` makes.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { OwnServer, command, ended, freePorts, said, target } from './server.ts';

const broker = process.env.NATS_SERVER ?? path.join(target, 'tools/nats/bin/nats-server');
const conf = path.resolve(import.meta.dirname, '../../deploy/nats.conf');

export class ServerWithNats {
  private broker?: ChildProcess;

  private constructor(private readonly server: OwnServer, private readonly monitoring: number) {}

  static async start(): Promise<ServerWithNats> {
    const folder = mkdtempSync(path.join(tmpdir(), 'kez-chat-nats-'));
    const [http, nats, monitoring, websocket] = await freePorts(4);
    const server = OwnServer.at(folder, http!);
    const { flags } = command('gen-keys', '--to', path.join(folder, 'keys'));
    const text = readFileSync(conf, 'utf8')
      .replace('port: 4222', `port: ${nats}`)
      .replace('http: 127.0.0.1:8222', `http: 127.0.0.1:${monitoring}`)
      .replace('host: 0.0.0.0\n    port: 8443', `host: 127.0.0.1\n    port: ${websocket}`)
      .replace('http://127.0.0.1:6969', server.origin);
    writeFileSync(path.join(folder, 'nats.conf'), text);
    const both = new ServerWithNats(server, monitoring!);
    await both.startBroker();
    await server.run(
      '--nats-url', `nats://127.0.0.1:${nats}`, '--nats-ws-url', `ws://127.0.0.1:${websocket}`,
      ...Object.entries<string>(flags).flat(),
    );
    return both;
  }

  get origin(): string {
    return this.server.origin;
  }

  async startBroker(): Promise<void> {
    this.broker = spawn(broker, ['-c', 'nats.conf'], { cwd: this.server.folder, stdio: ['ignore', 'ignore', 'pipe'] });
    await said(this.broker, 'Server is ready');
  }

  async killBroker(): Promise<void> {
    await ended(this.broker, 'SIGKILL');
  }

  /** The subscriptions of the clients connected over WebSocket, as reported by the broker. */
  async listeners(): Promise<string[]> {
    const answer = await fetch(`http://127.0.0.1:${this.monitoring}/connz?subs=1`);
    const { connections } = (await answer.json()) as { connections: { type: string; subscriptions_list?: string[] }[] };
    return connections.filter(({ type }) => type === 'websocket').flatMap((it) => it.subscriptions_list ?? []);
  }

  async stop(): Promise<void> {
    await ended(this.broker, 'SIGTERM');
    await this.server.stop();
  }
}
