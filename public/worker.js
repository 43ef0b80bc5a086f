// The dedicated worker that holds the keys, the state, the network and the storage.

// A message counts as stored only once it is on disk. The storage library cannot request this, so every transaction of
// this worker is made strictly durable (IndexedDB 3.0, section 2.7.1).
const transaction = IDBDatabase.prototype.transaction;
IDBDatabase.prototype.transaction = function (stores, mode) {
  return transaction.call(this, stores, mode, { durability: "strict" });
};

// Any failure ends this worker. Its locks are then released, and another tab takes over. The page is notified too.
self.onerror = () => self.close();

self.onmessage = ({ data }) => start(data).catch((error) => setTimeout(() => { throw error; }));

async function start({ js, wasm, page }) {
  // Tabs compare this value to detect whether they run the same version.
  self.build = wasm;
  // Requested at once, not after the script.
  const response = fetch(wasm);
  const { default: init, start_worker } = await import(new URL(js, self.location.href).href);
  await init({ module_or_path: response });
  start_worker(page);
}

// A tab loaded before an update uses another version of the protocol between tabs.
self.foreign = () => self.postMessage("Another tab runs another version of KEZ Chat. Reload all tabs.");

// Loaded only if the server has NATS.
self.loadNats = () => import("/nats.js");

// Loaded when an account first needs a group.
self.loadEngine = () => import("/engine.js");
