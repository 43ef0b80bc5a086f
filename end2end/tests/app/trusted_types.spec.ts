// What a script in the page is allowed to start.

import { expect, test } from '../../support/fixtures.ts';

test('the page starts its worker and no other script', async ({ people }) => {
  const alice = await people.join('alice');
  alice.console.allow(/TrustedScript|Trusted Types|trusted-types|Content Security Policy/);
  const refused = await alice.page.evaluate(() => {
    const attempts: Record<string, () => unknown> = {
      'a script element': () => Object.assign(document.createElement('script'), { src: '/boot.js' }),
      'another worker': () => new Worker('/boot.js'),
      'text as a script': () => Object.assign(document.createElement('script'), { text: '1' }),
    };
    return Object.entries(attempts).filter(([, attempt]) => {
      try {
        attempt();
        return false;
      } catch (error) {
        return error instanceof TypeError;
      }
    }).map(([name]) => name);
  });
  expect(refused).toEqual(['a script element', 'another worker', 'text as a script']);
});
