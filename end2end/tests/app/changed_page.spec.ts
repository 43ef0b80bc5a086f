// The page also starts when extensions or proxies have changed the server's HTML.

import { expect, test } from '../../support/fixtures.ts';

const CHANGES: [string, (html: string) => string][] = [
  ['an extension puts an element first', (html) => html.replace(/<body[^>]*>/, '$&<div class="extension">hello</div>')],
  ['an extension puts an element into the app', (html) => html.replace(/<main[^>]*>/, '$&<font>hello</font>')],
  ['a proxy strips the comments', (html) => html.replace(/<!--.*?-->/gs, '')],
];

for (const [what, change] of CHANGES) {
  test(`${what}: the app still starts`, async ({ people }) => {
    const visitor = await people.visitor();
    await visitor.page.route('**/join', async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: change(await response.text()) });
    });
    await visitor.open('/join');
    await visitor.textbox('Handle').fill('x');
    await expect(visitor.page.getByRole('status').filter({ hasText: 'at least 3' })).toBeVisible();
    await expect(visitor.page.getByRole('heading', { level: 1 })).toHaveCount(1);
    await expect(visitor.page.getByRole('alert')).toHaveCount(0);
  });
}
