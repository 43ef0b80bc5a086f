// A chat server for a single test, with its own flags, and helpers for its other processes.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';

export const target = path.resolve(import.meta.dirname, '../..', process.env.CARGO_TARGET_DIR ?? 'target');
const binary = process.env.KEZ_CHAT_SERVER_BINARY ?? path.join(target, 'release', 'kez-chat-server');
const site = process.env.KEZ_CHAT_WEB_DIR ?? path.join(target, 'site');

export class OwnServer {
  private process?: ChildProcess;

  private constructor(readonly folder: string, readonly origin: string) {}

  static async start(...flags: string[]): Promise<OwnServer> {
    const [port] = await freePorts(1);
    const server = new OwnServer(mkdtempSync(path.join(tmpdir(), 'kez-chat-')), `http://127.0.0.1:${port}`);
    await server.run(...flags);
    return server;
  }

  /** A server with a folder and an address that is not started yet: the test starts it once its surroundings are ready. */
  static at(folder: string, port: number): OwnServer {
    return new OwnServer(folder, `http://127.0.0.1:${port}`);
  }

  async run(...flags: string[]): Promise<void> {
    this.process = spawn(binary, [
      '--bind', new URL(this.origin).host, '--db', this.db(), '--web-dir', site, '--limits', 'off',
      '--server', 'localhost', '--public-url', this.origin, '--sig-server-url', 'embedded', ...flags,
    ], { stdio: ['ignore', 'ignore', 'pipe'] });
    await said(this.process, 'listening');
  }

  /** Runs an operator command with `--json` and returns its output. */
  command(...words: string[]): any {
    return command(...words, '--db', this.db());
  }

  async stop(): Promise<void> {
    await ended(this.process, 'SIGTERM');
    rmSync(this.folder, { recursive: true, force: true });
  }

  private db(): string {
    return path.join(this.folder, 'kez-chat.db');
  }
}

/** Runs a command of the server's program with `--json` and returns its output. */
export function command(...words: string[]): any {
  return JSON.parse(execFileSync(binary, [...words, '--json'], { encoding: 'utf8' }));
}

/** Waits for a line on standard error, and keeps reading so that the pipe does not fill up. */
export async function said(process: ChildProcess, text: string): Promise<void> {
  const lines = createInterface({ input: process.stderr! });
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => line.includes(text) && resolve());
    process.once('exit', (code) => reject(new Error(`ended with ${code} before it said ${text}`)));
    process.once('error', reject);
  });
}

export async function ended(process: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (!process || process.exitCode !== null || process.signalCode !== null) return;
  const exit = once(process, 'exit');
  process.kill(signal);
  await exit;
}

/**
 * Ports on which nothing listens. They are below those that Linux gives to outgoing connections
 * (`ip_local_port_range`), so that none of those takes a port before the test's program does.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = randomInt(12_000, 32_000);
    const server = createServer().listen(port, '127.0.0.1');
    const listens = await once(server, 'listening').then(() => true, () => false);
    if (!listens) continue;
    await new Promise((resolve) => server.close(resolve));
    ports.add(port);
  }
  return [...ports];
}
