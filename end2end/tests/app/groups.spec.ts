// Groups: three people talk, one is removed, one is added, and all members see who did what.

import type { Locator, Page } from '@playwright/test';

import { expectAccessible } from '../../support/axe.ts';
import { mustStaySecret } from '../../support/evidence.ts';
import { BROKEN_ON_PURPOSE, expect, handleFrom, test, unique } from '../../support/fixtures.ts';
import { Group, createGroup, openGroup } from '../../support/group.ts';

test('three people talk in a group, one is removed, and reads nothing that follows', async ({ people }) => {
  const [alice, bob, carol] = [await people.join('alice'), await people.join('bob'), await people.join('carol')];
  const name = unique('Family');
  mustStaySecret(name);
  const ofAlice = await createGroup(alice, name, [`@${bob.handle}`, carol.handle]);
  await expect(ofAlice.line('added', `You added @${bob.handle}.`)).toBeVisible();
  const [ofBob, ofCarol] = [await openGroup(bob, name), await openGroup(carol, name)];
  await bob.button('Accept').click();
  await carol.button('Accept').click();

  const [first, answer] = [unique('first'), unique('answer')];
  await ofAlice.send(first);
  await ofBob.shows(first, 'received');
  await ofCarol.shows(first, 'received');
  await ofBob.send(answer);
  await ofAlice.shows(answer, 'received');
  await expect(ofCarol.message(answer)).toContainText(`@${bob.handle}`);
  await expectAccessible(alice.page, 'the thread of a group');

  const members = await ofAlice.members();
  await expect(members.getByRole('list', { name: 'Members' }).getByRole('listitem')).toHaveCount(3);
  await expectAccessible(alice.page, 'the members of a group');
  await members.getByRole('button', { name: `Remove @${carol.handle}` }).click();
  const asks = alice.page.getByRole('alertdialog', { name: `Remove @${carol.handle}?` });
  await expect(asks).toContainText('They keep what they have read.');
  await asks.getByRole('button', { name: 'Remove', exact: true }).click();
  await expect(members.getByRole('list', { name: 'Members' }).getByRole('listitem')).toHaveCount(2);
  await members.getByRole('button', { name: 'Close', exact: true }).click();

  await expect(ofBob.line('removed', `@${alice.handle} removed @${carol.handle}.`)).toBeVisible();
  await expect(carol.page.getByText('You were removed from this group.')).toBeVisible();
  const after = unique('after the removal');
  await ofBob.send(after);
  await ofAlice.shows(after, 'received');
  await carol.reload();
  await ofCarol.shows(answer, 'received');
  await expect(ofCarol.message(after)).toHaveCount(0);
});

test('an admin renames the group and makes another admin, a member leaves', async ({ people }) => {
  const [alice, bob] = [await people.join('alice'), await people.join('bob')];
  const [name, renamed] = [unique('Before'), unique('After')];
  const ofAlice = await createGroup(alice, name, [bob.handle]);
  await openGroup(bob, name);
  await bob.button('Accept').click();
  const members = await ofAlice.members();
  await members.getByRole('button', { name: 'Rename group' }).click();
  await members.getByRole('textbox', { name: 'Group name' }).fill(renamed);
  await members.getByRole('button', { name: 'Save' }).click();
  await members.getByRole('button', { name: `Make @${bob.handle} admin` }).click();
  await expect(members.getByRole('listitem').filter({ hasText: `@${bob.handle}` })).toContainText('Admin');
  const after = new Group(bob.page, renamed);
  await expect(after.line('renamed', renamed)).toBeVisible();
  await expect(after.line('role', `@${alice.handle} made you an admin.`)).toBeVisible();

  const ofBobs = await after.members();
  await ofBobs.getByRole('button', { name: 'Leave group' }).click();
  const asks = bob.page.getByRole('alertdialog', { name: 'Leave this group?' });
  await asks.getByRole('button', { name: 'Leave', exact: true }).click();
  await expect(bob.page.getByText('You have left this group.')).toBeVisible();
  await expect(new Group(alice.page, renamed).line('left', `@${bob.handle} left.`)).toBeVisible();
});

test('a member who is added later reads nothing from before', async ({ people }) => {
  const [alice, bob, carol] = [await people.join('alice'), await people.join('bob'), await people.join('carol')];
  const name = unique('Club');
  const ofAlice = await createGroup(alice, name, [bob.handle]);
  const early = unique('early');
  await ofAlice.send(early);
  const members = await ofAlice.members();
  await members.getByRole('button', { name: 'Add member' }).click();
  await members.getByRole('textbox', { name: 'Handle' }).fill(carol.handle);
  await members.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(members.getByRole('list', { name: 'Members' }).getByRole('listitem')).toHaveCount(3);
  await members.getByRole('button', { name: 'Close', exact: true }).click();
  const ofCarol = await openGroup(carol, name);
  const late = unique('late');
  await ofAlice.send(late);
  await ofCarol.shows(late, 'received');
  await expect(ofCarol.message(early)).toHaveCount(0);
});

/** Makes a link to a group in the dialog "Invite link", which stays open. */
async function inviteLink(members: Locator, page: Page): Promise<{ dialog: Locator; link: string }> {
  await members.getByRole('button', { name: 'Invite link' }).click();
  const dialog = page.getByRole('dialog', { name: 'Invite link' });
  const box = dialog.getByRole('textbox', { name: 'Link' });
  await expect(box).toHaveValue(/\/g#[0-9A-Z-]{23}\.[0-9a-f]{32}$/);
  await expect(box).toHaveAttribute('readonly');
  return { dialog, link: await box.inputValue() };
}

test('a visitor with a link creates an account, asks to join, and is approved', async ({ people }) => {
  const [alice, dana] = [await people.join('alice'), await people.join('dana')];
  const name = unique('Choir');
  const ofAlice = await createGroup(alice, name, [dana.handle]);
  const members = await ofAlice.members();
  await alice.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const { dialog, link } = await inviteLink(members, alice.page);
  await expectAccessible(alice.page, 'the link to a group');
  await dialog.getByRole('button', { name: 'Copy link' }).click();
  expect(await alice.page.evaluate(() => navigator.clipboard.readText())).toBe(link);
  await dialog.getByRole('button', { name: 'Close', exact: true }).click();
  await members.getByRole('button', { name: 'Close', exact: true }).click();

  const bob = await people.visitor();
  const asked: string[] = [];
  bob.page.on('request', (request) => asked.push(request.url()));
  await bob.open(link);
  await expect(bob.page.getByRole('heading', { name: 'You were invited to a group' })).toBeVisible();
  await bob.page.getByRole('link', { name: 'Create account' }).click();
  await bob.chooseHandle(handleFrom('bob'));
  await bob.confirmPhrase(await bob.readPhrase());
  await bob.choosePassphrase('');
  await bob.page.waitForURL(link);
  await bob.button('Ask to join').click();
  const status = bob.page.getByRole('status').filter({ hasText: 'Waiting for approval' });
  await expect(status).toBeVisible();
  await expectAccessible(bob.page, 'the page of a link to a group');
  await bob.reload();
  await expect(status).toBeVisible();
  await expect(bob.button('Ask to join')).toHaveCount(0);

  await expect(alice.page.getByText('1 person asks to join: see Members.')).toBeVisible();
  await ofAlice.members();
  const asking = members.getByRole('list', { name: 'Asking to join' });
  await expect(asking.getByRole('listitem')).toHaveCount(1);
  await expectAccessible(alice.page, 'a person who asks to join');
  await asking.getByRole('button', { name: /^Approve @bob/ }).click();
  await expect(members.getByRole('list', { name: 'Members' }).getByRole('listitem')).toHaveCount(3);
  await expect(asking).toHaveCount(0);
  await members.getByRole('button', { name: 'Close', exact: true }).click();

  await bob.page.getByRole('link', { name: 'Open the group' }).click();
  const ofBob = new Group(bob.page, name);
  const hello = unique('hello');
  await ofBob.send(hello);
  await ofAlice.shows(hello, 'received');
  const code = link.slice(link.indexOf('#') + 1).split('.')[0]!;
  expect(asked.filter((url) => url.includes(code))).toEqual([]);
});

test('an admin declines a request, and revokes the link', async ({ people }) => {
  const [alice, dana] = [await people.join('alice'), await people.join('dana')];
  const [bob, carol] = [await people.join('bob'), await people.join('carol')];
  const ofAlice = await createGroup(alice, unique('Court'), [dana.handle]);
  const members = await ofAlice.members();
  const { dialog, link } = await inviteLink(members, alice.page);
  await bob.open(link);
  await bob.button('Ask to join').click();
  await expect(bob.page.getByText('Waiting for approval')).toBeVisible();
  await dialog.getByRole('button', { name: 'Revoke link' }).click();
  await expect(dialog).toHaveCount(0);
  await members.getByRole('button', { name: `Decline @${bob.handle}` }).click();
  await expect(members.getByRole('list', { name: 'Asking to join' })).toHaveCount(0);
  await expect(members.getByRole('list', { name: 'Members' }).getByRole('listitem')).toHaveCount(2);

  carol.console.allow(BROKEN_ON_PURPOSE);
  await carol.open(link);
  await carol.button('Ask to join').click();
  await expect(carol.page.getByText('This link has expired, was used up or was revoked.')).toBeVisible();
  await expect(bob.page.getByText('Waiting for approval')).toBeVisible();
  await carol.open('/g#ABC');
  await expect(carol.page.getByText('A part of this link is missing.')).toBeVisible();
});
