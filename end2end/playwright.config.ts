import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { defineConfig } from '@playwright/test';

const port = process.env.KEZ_CHAT_TEST_PORT ?? '6970';
const origin = `http://127.0.0.1:${port}`;
const target = path.resolve(import.meta.dirname, '..', process.env.CARGO_TARGET_DIR ?? 'target');
const binary = process.env.KEZ_CHAT_SERVER_BINARY ?? path.join(target, 'release', 'kez-chat-server');
const site = process.env.KEZ_CHAT_WEB_DIR ?? path.join(target, 'site');

// One folder for the latest run, shared by all workers, because each of them reads this file. It holds the database, the
// server's log, and everything that `leaks` searches.
const run = process.env.KEZ_CHAT_RUN_DIR ?? path.resolve(import.meta.dirname, '.run');
if (!process.env.KEZ_CHAT_RUN_DIR) {
  rmSync(run, { recursive: true, force: true });
  mkdirSync(run);
  process.env.KEZ_CHAT_RUN_DIR = run;
}

export default defineConfig({
  testDir: 'tests',
  fullyParallel: true,
  forbidOnly: !!process.env.CI,
  retries: 0,
  workers: 2,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: [['list']],
  use: {
    baseURL: origin,
    trace: 'retain-on-failure',
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
        '--disable-component-update', '--disable-sync',
        // A name other than localhost, so that pages on it are not in a secure context.
        '--host-resolver-rules=MAP kez.test 127.0.0.1',
      ],
    },
  },
  projects: [
    { name: 'pages', testDir: 'tests/pages' },
    { name: 'chromium', testDir: 'tests/app' },
    { name: 'nats', testDir: 'tests/nats' },
    { name: 'leaks', testDir: 'tests/leaks', dependencies: ['chromium'] },
    // For `kez-bench client`: prints figures and judges nothing.
    { name: 'measure', testDir: 'measure', testMatch: '*.measure.ts' },
  ],
  webServer: {
    command: [
      `exec "${binary}" --bind 127.0.0.1:${port} --db "${run}/kez-chat.db" --web-dir "${site}" --limits off`,
      `--server localhost --public-url ${origin} --sig-server-url embedded > "${run}/server.log" 2>&1`,
    ].join(' '),
    url: `${origin}/v1/healthz`,
    reuseExistingServer: false,
    timeout: 20_000,
    gracefulShutdown: { signal: 'SIGTERM', timeout: 10_000 },
  },
});
