// Runs last. No message, passphrase, seed or recovery word may appear in what the browsers sent or stored, or in what
// the server stores.

import { expect, test } from '@playwright/test';
import { evidence, secrets } from '../../support/evidence.ts';

const latin1 = (text: string) => Buffer.from(text, 'utf8').toString('latin1');

for (const [kind, least] of [['sent', 20], ['stored', 20], ['server', 2]] as const) {
  test(`no secrets in what is ${kind === 'server' ? 'kept by the server' : kind}`, () => {
    const searched = evidence(kind);
    const forbidden = [...new Set(secrets().flatMap((text) => [text, JSON.stringify(text).slice(1, -1)]))].map(latin1);
    expect(searched.length).toBeGreaterThanOrEqual(least);
    expect(forbidden.length).toBeGreaterThan(100);

    const found = searched.flatMap(({ name, bytes }) =>
      forbidden.filter((text) => bytes.includes(text)).map((text) => `${name}: ${JSON.stringify(text)}`));
    expect(found).toEqual([]);
  });
}

test('the evidence contains the expected plain data', () => {
  const everything = evidence('sent').map(({ bytes }) => bytes).join('\n');
  expect(everything).toContain('"ciphertext"');
  expect(everything).toContain('/v1/register');
  expect(everything, 'frames of the live stream').toContain('"caught_up"');
  expect(evidence('server').map(({ name }) => name)).toContain('kez-chat.db');
  expect(evidence('server').some(({ bytes }) => bytes.includes('kez.chat.message'))).toBe(true);
  expect(evidence('stored').some(({ bytes }) => bytes.includes('CryptoKey extractable=false'))).toBe(true);
});
