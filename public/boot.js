// Starts the app: the worker with its module, and this page with the page's module. Both modules are fetched at the
// same time, and each is compiled in the context that runs it.

// Trusted Types: the page starts one worker and no other script. Leptos writes its own templates as HTML, and user text
// never becomes HTML.
self.trustedTypes?.createPolicy("default", {
  createHTML: (html) => html,
  createScriptURL: (url) => (url === "/worker.js" ? url : null),
});

// The server renders without resources, but Leptos looks for these anyway.
self.__RESOLVED_RESOURCES = [];
self.__SERIALIZED_ERRORS = [];
self.__PENDING_RESOURCES = [];
self.__RESOURCE_RESOLVERS = [];
self.__INCOMPLETE_CHUNKS = [];

const { pageJs, pageWasm, workerJs, workerWasm, engineWasm, afterLoad } = document.querySelector("script[data-page-wasm]").dataset;

// The features that the app requires, and the message for a browser that lacks one.
const needs = [
  [isSecureContext, "This page needs https (or localhost): browsers offer encryption only there. Open the https address of this server."],
  [self.WebAssembly, "KEZ Chat needs WebAssembly, which this browser lacks or has switched off."],
  [self.crypto?.subtle, "KEZ Chat needs Web Cryptography, which this browser lacks or has switched off."],
  [self.indexedDB, "KEZ Chat needs IndexedDB to keep your keys and messages, which this browser lacks or has switched off."],
  [navigator.locks, "KEZ Chat needs Web Locks, which this browser lacks. Please update it."],
  [self.Worker && self.BroadcastChannel, "KEZ Chat needs workers, which this browser lacks. Please update it."],
];

async function start() {
  const missing = needs.find(([there]) => !there);
  if (missing) return say(missing[1]);
  const worker = new Worker("/worker.js", { type: "module", name: "kez-chat" });
  worker.onerror = () => say("KEZ Chat has stopped. Reload the page.");
  worker.onmessage = ({ data }) => say(data);
  const { port1, port2 } = new MessageChannel();
  worker.postMessage({ js: workerJs, wasm: workerWasm, engine: engineWasm, page: port2 }, [port2]);
  // Requested at once, not after the script.
  const response = fetch(pageWasm);
  const { default: init, hydrate } = await import(new URL(pageJs, location.href).href);
  await init({ module_or_path: response });
  hydrate(port1);
}

// Shows only the first message: later failures have the same cause.
function say(text) {
  if (document.querySelector("body > .boot-failed")) return;
  const alert = document.createElement("p");
  alert.setAttribute("role", "alert");
  alert.className = "boot-failed";
  alert.textContent = text;
  document.body.prepend(alert);
}

// A page that is readable without the app is first loaded completely, with its pictures.
function shown() {
  if (afterLoad === undefined || document.readyState === "complete") return Promise.resolve();
  return new Promise((resolve) => addEventListener("load", resolve, { once: true }));
}

shown().then(start).catch((error) => {
  say("KEZ Chat could not start in this browser. Reload the page, or update the browser.");
  throw error;
});
