// The server's HTML is valid, and readable without JavaScript.

import path from 'node:path';
import { FileSystemConfigLoader, HtmlValidate } from 'html-validate';
import { expect, test } from '@playwright/test';
import { handleFrom } from '../../support/fixtures.ts';
import { Peer } from '../../support/peer.ts';

const root = path.resolve(import.meta.dirname, '../..');
const validator = new HtmlValidate(new FileSystemConfigLoader());

const ROUTES = ['/', '/join', '/restore', '/link', '/messages', '/messages/somebody', '/g', '/settings', '/security'];

for (const route of ROUTES) {
  test(`${route} is valid HTML`, async ({ request }) => {
    const answer = await request.get(route);
    expect(answer.status()).toBe(200);
    expect(answer.headers()['content-type']).toContain('text/html');
    await expectValid(await answer.text(), route);
  });
}

test('/u/{handle} is valid HTML with a title and a description of its own', async ({ request, baseURL }) => {
  const peer = await Peer.register(baseURL!, handleFrom('profile'));
  const answer = await request.get(`/u/${peer.handle}`);
  expect(answer.status()).toBe(200);
  const html = await answer.text();
  expect(html).toContain(peer.primary);
  expect(html).toMatch(new RegExp(`<title>[^<]*${peer.handle}`));
  expect(html).toMatch(new RegExp(`<meta[^>]*name="description"[^>]*${peer.handle}`));
  await expectValid(html, 'profile');
});

for (const missing of ['/no-such-page', '/u/nobody-has-this-handle']) {
  test(`${missing} is a valid not-found page with status 404`, async ({ request }) => {
    const answer = await request.get(missing);
    expect(answer.status()).toBe(404);
    await expectValid(await answer.text(), missing);
  });
}

async function expectValid(html: string, name: string): Promise<void> {
  const file = path.join(root, `${name.replace(/\W+/g, '_')}.html`);
  const report = await validator.validateString(html, file);
  const said = report.results.flatMap((result) =>
    result.messages.map(({ line, column, ruleId, message }) => `${line}:${column} ${message} (${ruleId})`));
  expect(said).toEqual([]);
}
