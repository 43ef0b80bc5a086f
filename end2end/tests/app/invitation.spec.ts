// Joining a server with restricted registration.

import { mustStaySecret } from '../../support/evidence.ts';
import { BROKEN_ON_PURPOSE, expect, handleFrom, test as base } from '../../support/fixtures.ts';
import { OwnServer } from '../../support/server.ts';

const test = base.extend<{ registration: string; server: OwnServer }>({
  registration: ['invite', { option: true }],
  server: async ({ registration }, use) => {
    const server = await OwnServer.start('--registration', registration);
    await use(server);
    await server.stop();
  },
  baseURL: async ({ server }, use) => use(server.origin),
});

function invite(server: OwnServer, uses = 1): { id: number; code: string; link: string } {
  const invite = server.command('admin', 'invite', 'create', '--uses', String(uses), '--public-url', server.origin);
  mustStaySecret(invite.code);
  return invite;
}

test('an invitation link fills in the code, which is good for one account', async ({ people, server }) => {
  const { code, link } = invite(server);
  const alice = await people.visitor();
  await alice.open(link);
  await expect(alice.textbox('Invitation')).toHaveValue(code);
  await expect(alice.page).toHaveURL(/\/join$/);
  await alice.chooseHandle(handleFrom('alice'));
  await alice.confirmPhrase(await alice.readPhrase());
  await alice.choosePassphrase('');
  await alice.page.waitForURL('**/messages');
  await alice.reload();
  await expect(alice.button('New conversation')).toBeVisible();
});

test('an invalid invitation is reported and can be corrected with the same phrase', async ({ people, server }) => {
  const [used, revoked, good] = [invite(server), invite(server), invite(server)];
  server.command('admin', 'invite', 'revoke', String(revoked.id));
  const first = await people.visitor();
  await first.open(used.link);
  await first.chooseHandle(handleFrom('first'));
  await first.confirmPhrase(await first.readPhrase());
  await first.choosePassphrase('');
  await first.page.waitForURL('**/messages');

  const alice = await people.visitor();
  alice.console.allow(BROKEN_ON_PURPOSE);
  await alice.open('/join');
  await alice.textbox('Handle').fill(handleFrom('alice'));
  await expect(alice.page.getByText('Available', { exact: true })).toBeVisible();
  const alert = alice.page.getByRole('alert');
  await alice.button('Continue').click();
  await expect(alert).toContainText('by invitation');
  await alice.textbox('Invitation').fill('K7QXM');
  await expect(alert).toHaveCount(0);
  await alice.button('Continue').click();
  await expect(alert).toContainText('20 letters and digits');

  await alice.textbox('Invitation').fill('00000-11111-00000-11111');
  await alice.button('Continue').click();
  const words = await alice.readPhrase();
  await alice.confirmPhrase(words);
  await alice.choosePassphrase('');
  await expect(alert).toContainText('no such invitation');
  for (const [{ code }, why] of [[used, 'used up'], [revoked, 'withdrawn']] as const) {
    await alice.textbox('Invitation').fill(code);
    await alice.button('Continue').click();
    await expect(alert).toContainText(why);
  }
  await alice.reload();
  await expect(alert).toContainText('withdrawn');
  await expect(alice.textbox('Invitation')).toHaveValue(revoked.code);
  await alice.textbox('Invitation').fill(good.code.toLowerCase());
  await alice.button('Continue').click();
  await alice.page.waitForURL('**/messages');

  await alice.open('/settings');
  await alice.button('Show recovery phrase').click();
  const kept = alice.page.getByRole('list', { name: 'Recovery phrase' }).getByRole('listitem');
  await expect(kept).toHaveCount(24);
  expect((await kept.allInnerTexts()).map((text) => text.replace(/[^a-z]/g, ''))).toEqual(words);
});

test.describe('closed', () => {
  test.use({ registration: 'closed' });

  test('a closed server is shown before any input', async ({ people }) => {
    const alice = await people.visitor();
    await alice.open('/join');
    await expect(alice.page.getByRole('heading', { name: 'This server accepts no new accounts' })).toBeVisible();
    await expect(alice.textbox('Handle')).toHaveCount(0);
    await expect(alice.link('Restore account')).toBeVisible();
  });
});
