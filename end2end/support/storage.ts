// Everything that a browser stores for the app, as read through the browser's own APIs.

import type { Page } from '@playwright/test';
import { keep } from './evidence.ts';

/** Dumps IndexedDB, localStorage, sessionStorage, cookies and caches. */
export async function dumpStorage(page: Page): Promise<string> {
  return page.evaluate(async () => {
    const found: string[] = [JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie];
    const answer = <T>(request: IDBRequest<T>) => new Promise<T>((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    const text = (value: unknown): string => {
      if (value instanceof ArrayBuffer) return text(new Uint8Array(value));
      if (ArrayBuffer.isView(value)) {
        const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
        return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
      }
      if (value instanceof CryptoKey) return `CryptoKey extractable=${value.extractable}`;
      if (Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'number')) {
        return text(Uint8Array.from(value));
      }
      if (value && typeof value === 'object') {
        return Object.entries(value).map(([name, part]) => `${name}:${text(part)}`).join('\n');
      }
      return String(value);
    };
    for (const { name } of await indexedDB.databases()) {
      const database = await answer(indexedDB.open(name!));
      for (const store of database.objectStoreNames) {
        const records = await answer(database.transaction(store).objectStore(store).getAll());
        found.push(`${name}/${store}`, ...records.map(text));
      }
      database.close();
    }
    for (const name of await caches.keys()) {
      for (const request of await (await caches.open(name)).keys()) found.push(request.url);
    }
    return found.join('\n');
  });
}

export async function keepStorage(page: Page): Promise<void> {
  const dump = await dumpStorage(page);
  keep('stored', dump.replace(/[^\x00-\xff]/g, '?'));
}
