// The headers of every page: the policy, and that /messages reveals nothing about who requests it.

import { expect, test, type APIResponse } from '@playwright/test';

const PAGES = ['/', '/join', '/restore', '/link', '/messages', '/g', '/settings', '/security', '/no-such-page'];

for (const page of PAGES) {
  test(`${page} has the security policy and nothing inline`, async ({ request }) => {
    const answer = await request.get(page);
    const headers = answer.headers();
    const policy = headers['content-security-policy'] ?? '';
    for (const directive of [
      "default-src 'none'", "script-src 'self' 'wasm-unsafe-eval'", "style-src 'self'", "base-uri 'none'",
      "form-action 'none'", "frame-ancestors 'none'", "worker-src 'self'", "require-trusted-types-for 'script'", "trusted-types default",
    ]) {
      expect(policy).toContain(directive);
    }
    expect(policy).not.toContain('unsafe-inline');
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['referrer-policy']).toBe('no-referrer');
    expect(headers['cross-origin-opener-policy']).toBe('same-origin');
    expect(headers['set-cookie']).toBeUndefined();
    expect(headers['x-request-id']).toBeTruthy();

    const html = await answer.text();
    for (const [script] of html.matchAll(/<script\b[^>]*>/g)) expect(script).toMatch(/\bsrc=/);
    expect(html).not.toMatch(/<style\b/);
    expect(html).not.toMatch(/<[^>]+\sstyle=/);
    expect(html).not.toMatch(/<[^>]+\son[a-z]+=/);
  });
}

test('/messages has the same bytes for every visitor', async ({ request }) => {
  const ask = (path: string, headers: Record<string, string>) => request.get(path, { headers }).then(bytes);
  const first = await ask('/messages', {});
  for (const [name, value] of [
    ['Cookie', 'session=alice'], ['User-Agent', 'Somebody/1.0'], ['Accept-Language', 'de'], ['Authorization', 'Bearer x'],
    ['X-Forwarded-For', '203.0.113.7'], ['Referer', 'https://elsewhere.example/'],
  ] as const) {
    expect(await ask('/messages', { [name]: value })).toEqual(first);
  }
  expect(await ask('/messages/alice', {})).toEqual(await ask('/messages/bob', {}));
});

test('an unchanged page is answered with 304', async ({ request }) => {
  const tag = (await request.get('/messages')).headers().etag;
  expect(tag).toBeTruthy();
  const again = await request.get('/messages', { headers: { 'If-None-Match': tag! } });
  expect(again.status()).toBe(304);
});

test('page assets are compressed, hashed and immutable', async ({ request }) => {
  const html = await (await request.get('/messages')).text();
  const assets = [...html.matchAll(/"(\/pkg\/[^"]+)"/g)].map(([, path]) => path!);
  expect(assets.some((path) => path.endsWith('.wasm'))).toBe(true);
  for (const path of new Set(assets)) {
    expect(path).toMatch(/\.[0-9a-f]{8,}\.(css|js|wasm)$/);
    const answer = await request.get(path, { headers: { 'Accept-Encoding': 'br' } });
    expect(answer.status()).toBe(200);
    expect(answer.headers()['content-encoding']).toBe('br');
    expect(answer.headers()['cache-control']).toMatch(/max-age=31536000.*immutable/);
  }
});

async function bytes(answer: APIResponse): Promise<string> {
  expect(answer.status()).toBe(200);
  return (await answer.body()).toString('latin1');
}
