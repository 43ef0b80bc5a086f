// The dedicated worker that holds the keys, the state, the network and the storage.

import { provide } from "/later.js";

// A message counts as stored once it is on the disk. The library behind the storage has no way to ask for that, so
// every transaction of this worker is made a strictly durable one (IndexedDB 3.0, section 2.7.1).
const transaction = IDBDatabase.prototype.transaction;
IDBDatabase.prototype.transaction = function (stores, mode) {
  return transaction.call(this, stores, mode, { durability: "strict" });
};

self.onmessage = async ({ data: { glue, module, later, page } }) => {
  // Only the rest of the module comes this way now, maybe before there is anything to add it to.
  let early;
  self.onmessage = ({ data: { rest } }) => self.later ? rest && self.later.add(rest) : early = rest;
  const { default: init, start_worker } = await import(new URL(glue, self.location.href).href);
  provide(later, await init({ module_or_path: module }), () => self.postMessage("missing"));
  if (early) self.later.add(early);
  start_worker(page);
};

// Only where a server has NATS.
self.loadNats = () => import("/nats.js");
