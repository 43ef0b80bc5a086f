// The dedicated worker that holds the keys, the state, the network and the storage.

import { provide } from "/later.js";

// A message counts as stored once it is on the disk. The library behind the storage has no way to ask for that, so
// every transaction of this worker is made a strictly durable one (IndexedDB 3.0, section 2.7.1).
const transaction = IDBDatabase.prototype.transaction;
IDBDatabase.prototype.transaction = function (stores, mode) {
  return transaction.call(this, stores, mode, { durability: "strict" });
};

// What goes wrong ends this worker: its locks are free then, and another tab takes over. The page hears of it, too.
self.onerror = () => self.close();

self.onmessage = ({ data }) => start(data).catch((error) => setTimeout(() => { throw error; }));

async function start({ glue, module, later, build, page }) {
  // Only the rest of the module comes this way now, maybe before there is anything to add it to.
  let early;
  self.onmessage = ({ data: { rest } }) => self.later ? rest && self.later.add(rest) : early = rest;
  self.build = build;
  const { default: init, start_worker } = await import(new URL(glue, self.location.href).href);
  provide(later, await init({ module_or_path: module }), () => self.postMessage(""));
  if (early) self.later.add(early);
  start_worker(page);
}

// A tab that was loaded before an update means something else by what it says.
self.foreign = () => self.postMessage("Another tab runs another version of KEZ Chat. Reload all of them.");

// Only where a server has NATS.
self.loadNats = () => import("/nats.js");
