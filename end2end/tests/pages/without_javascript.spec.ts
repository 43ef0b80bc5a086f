import { expect, test } from '../../support/fixtures.ts';

test.use({ javaScriptEnabled: false });

test('the landing page works without JavaScript', async ({ page }) => {
  await page.goto('/');
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await expect(page.getByRole('link', { name: 'Restore account', exact: true })).toBeVisible();
  await page.getByRole('link', { name: 'Create account', exact: true }).click();
  await expect(page).toHaveURL(/\/join$/);
});

test('the profile and security pages work without JavaScript', async ({ page, people }) => {
  const peer = await people.peer('reader');
  await page.goto(`/u/${peer.handle}`);
  await expect(page.getByText(`${peer.handle}@localhost`).first()).toBeVisible();
  await expect(page.getByRole('link', { name: 'Message', exact: true })).toHaveAttribute('href', `/messages/${peer.handle}`);
  await page.goto('/security');
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
});
