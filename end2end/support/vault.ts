// The browser's database, as a test changes or checks it.

import type { Page } from '@playwright/test';

/** Names another lease in the vault's header, as a worker does that takes over. */
export async function takeLease(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const answer = <T>(request: IDBRequest<T>) => new Promise<T>((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    const database = await answer(indexedDB.open('kez-chat'));
    const vault = database.transaction('vault', 'readwrite').objectStore('vault');
    const header = await answer(vault.get('header')) as { lease: Uint8Array };
    // The number 7 in the header's format, or 8.
    const [format, number] = header.lease;
    header.lease = new Uint8Array([format!, header.lease.length === 2 && number === 7 ? 8 : 7]);
    await answer(vault.put(header, 'header'));
    database.close();
  });
}

/** The keys of all stored records. */
export async function recordKeys(page: Page): Promise<string[]> {
  return page.evaluate(() => new Promise<string[]>((resolve, reject) => {
    const opening = indexedDB.open('kez-chat');
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const keys = opening.result.transaction('records').objectStore('records').getAllKeys();
      keys.onerror = () => reject(keys.error);
      keys.onsuccess = () => {
        opening.result.close();
        resolve(keys.result.map(String));
      };
    };
  }));
}
