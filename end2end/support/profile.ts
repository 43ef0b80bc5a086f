// A browser profile as a file: everything in IndexedDB and localStorage. The account must have a passphrase: without one,
// its data key is wrapped by a key that a browser does not export.

import type { Page } from '@playwright/test';

interface Database {
  name: string;
  version: number;
  /** The entries of each object store. Byte arrays are `{"base64": "..."}`. */
  stores: Record<string, [IDBValidKey, unknown][]>;
}

export interface Profile {
  local: [string, string][];
  databases: Database[];
}

/** Reads the profile of the page's origin. */
export async function saveProfile(page: Page): Promise<Profile> {
  return page.evaluate(async () => {
    const answer = <T>(request: IDBRequest<T>) => new Promise<T>((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    const portable = (value: unknown): unknown => {
      if (value instanceof Uint8Array) return { base64: btoa(Array.from(value, (byte) => String.fromCharCode(byte)).join('')) };
      if (value === null || typeof value !== 'object') return value;
      if (Object.getPrototypeOf(value) !== Object.prototype) throw new Error(`a ${value.constructor.name} cannot be saved`);
      return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, portable(part)]));
    };
    const databases: Database[] = [];
    for (const { name, version } of await indexedDB.databases()) {
      const database = await answer(indexedDB.open(name!));
      const stores: Database['stores'] = {};
      for (const store of database.objectStoreNames) {
        const opened = database.transaction(store).objectStore(store);
        const [keys, values] = await Promise.all([answer(opened.getAllKeys()), answer(opened.getAll())]);
        stores[store] = keys.map((key, at) => [key, portable(values[at])]);
      }
      database.close();
      databases.push({ name: name!, version: version!, stores });
    }
    return { local: Object.entries(localStorage) as [string, string][], databases };
  });
}

/** Writes a profile to the page's origin, which must be empty. */
export async function loadProfile(page: Page, profile: Profile): Promise<void> {
  await page.evaluate(async (json) => {
    const { local, databases } = JSON.parse(json) as Profile;
    const bytes = (text: string) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
    const restored = (value: unknown): unknown => {
      if (value === null || typeof value !== 'object') return value;
      if ('base64' in value) return bytes(value.base64 as string);
      return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, restored(part)]));
    };
    for (const [name, value] of local) localStorage.setItem(name, value);
    for (const { name, version, stores } of databases) {
      const opening = indexedDB.open(name, version);
      opening.onupgradeneeded = () => {
        for (const store of Object.keys(stores)) opening.result.createObjectStore(store);
      };
      await new Promise((resolve, reject) => {
        opening.onsuccess = resolve;
        opening.onerror = () => reject(opening.error);
      });
      const writing = opening.result.transaction(Object.keys(stores), 'readwrite');
      for (const [store, entries] of Object.entries(stores)) {
        for (const [key, value] of entries) writing.objectStore(store).put(restored(value), key);
      }
      await new Promise((resolve, reject) => {
        writing.oncomplete = resolve;
        writing.onerror = () => reject(writing.error);
      });
      opening.result.close();
    }
  }, JSON.stringify(profile));
}
