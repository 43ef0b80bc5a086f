// The dedicated worker that holds the keys, the state, the network and the storage.

// A message counts as stored once it is on the disk. The library behind the storage has no way to ask for that, so
// every transaction of this worker is made a strictly durable one (IndexedDB 3.0, section 2.7.1).
const transaction = IDBDatabase.prototype.transaction;
IDBDatabase.prototype.transaction = function (stores, mode) {
  return transaction.call(this, stores, mode, { durability: "strict" });
};

// Any failure ends this worker: its locks are free then, and another tab takes over. The page hears of it, too.
self.onerror = () => self.close();

self.onmessage = ({ data }) => start(data).catch((error) => setTimeout(() => { throw error; }));

async function start({ js, wasm, page }) {
  // Tabs compare this to know whether they run the same version.
  self.build = wasm;
  // Requested at once, not after the script.
  const response = fetch(wasm);
  const { default: init, start_worker } = await import(new URL(js, self.location.href).href);
  await init({ module_or_path: response });
  start_worker(page);
}

// A tab that was loaded before an update speaks another version of the protocol between tabs.
self.foreign = () => self.postMessage("Another tab runs another version of KEZ Chat. Reload all of them.");

// Only where a server has NATS.
self.loadNats = () => import("/nats.js");
