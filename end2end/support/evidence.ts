// Everything that a run sends and stores, and the secrets that must never appear in it. Kept as files in the run's folder,
// because the tests run in several processes; `tests/leaks` searches them at the end.

import { randomBytes, randomUUID } from 'node:crypto';
import { appendFileSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { mnemonicToEntropy } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';

const run = process.env.KEZ_CHAT_RUN_DIR;
if (!run) throw new Error('KEZ_CHAT_RUN_DIR is set by playwright.config.ts');

const folder = (name: string) => {
  const there = path.join(run, name);
  mkdirSync(there, { recursive: true });
  return there;
};

/** A text that no other test uses, and that must never leave the browsers in plain text. */
export function unique(text: string): string {
  const whole = `${text} ${randomBytes(6).toString('hex')}`;
  mustStaySecret(whole);
  return whole;
}

export function mustStaySecret(text: string): void {
  appendFileSync(path.join(folder('secrets'), `${process.pid}.jsonl`), `${JSON.stringify(text)}\n`);
}

/** The seed that a recovery phrase encodes. */
export function seedOf(words: string[]): Buffer {
  return Buffer.from(mnemonicToEntropy(words.join(' '), wordlist));
}

/** Records the words of a recovery phrase as secrets, and their seed in every usual encoding. */
export function phraseMustStaySecret(words: string[]): void {
  for (let i = 0; i + 3 <= words.length; i++) {
    const three = words.slice(i, i + 3);
    for (const between of [' ', ',', '","', '\n']) mustStaySecret(three.join(between));
  }
  const seed = seedOf(words);
  for (const form of ['hex', 'base64', 'base64url', 'latin1'] as const) {
    mustStaySecret(seed.toString(form).replace(/=+$/, ''));
  }
}

/** Stores bytes that were sent over the network or kept in the browser's storage, one character per byte. */
export function keep(kind: 'sent' | 'stored', bytes: string): void {
  writeFileSync(path.join(folder(kind), randomUUID()), bytes, 'latin1');
}

export function secrets(): string[] {
  const there = folder('secrets');
  return readdirSync(there).flatMap((name) =>
    readFileSync(path.join(there, name), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as string),
  );
}

/** The stored evidence of a kind; for `server`, the database's files and the log. */
export function evidence(kind: 'sent' | 'stored' | 'server'): { name: string; bytes: string }[] {
  const there = kind === 'server' ? run! : folder(kind);
  return readdirSync(there, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => ({ name, bytes: readFileSync(path.join(there, name), 'latin1') }));
}
