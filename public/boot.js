// Starts the app: compiles the WASM module once, starts the worker with it, and makes the page react.

import { provide } from "/later.js";

// The server renders without resources; Leptos looks for these all the same.
self.__RESOLVED_RESOURCES = [];
self.__SERIALIZED_ERRORS = [];
self.__PENDING_RESOURCES = [];
self.__RESOURCE_RESOLVERS = [];
self.__INCOMPLETE_CHUNKS = [];

const { module: glue, wasm, later } = document.querySelector("script[data-module]").dataset;

async function start() {
  const worker = new Worker("/worker.js", { type: "module", name: "kez-chat" });
  worker.onerror = () => say("KEZ Chat has stopped. Reload the page.");
  const { port1, port2 } = new MessageChannel();
  const [module, { default: init, hydrate }] = await Promise.all([
    WebAssembly.compileStreaming(fetch(wasm)),
    import(new URL(glue, location.href).href),
  ]);
  worker.postMessage({ glue, module, later, build: wasm, page: port2 }, [port2]);
  const missing = () => say("A part of KEZ Chat could not be loaded. Reload the page once you are online.");
  worker.onmessage = ({ data }) => data ? say(data) : missing();
  provide(later, await init({ module_or_path: module }), missing);
  const bring = () => self.later.bring().then((rest) => worker.postMessage({ rest }));
  if (location.pathname.startsWith("/messages")) {
    const soon = () => bring().catch(() => setTimeout(soon, 10_000));
    whenUsed(soon);
  } else {
    await bring();
  }
  hydrate(port1);
}

// Once somebody begins to do something, or has looked on for a while: until then the line belongs to what is needed first.
function whenUsed(begin) {
  const signs = ["keydown", "pointerdown", "pointermove"];
  const used = () => {
    signs.forEach((sign) => removeEventListener(sign, used, true));
    clearTimeout(waiting);
    begin();
  };
  const waiting = setTimeout(used, 10_000);
  signs.forEach((sign) => addEventListener(sign, used, { capture: true, passive: true }));
}

// Once: whatever else goes wrong then has the same cause.
function say(text) {
  if (document.querySelector("body > .boot-failed")) return;
  const alert = document.createElement("p");
  alert.setAttribute("role", "alert");
  alert.className = "boot-failed";
  alert.textContent = text;
  document.body.prepend(alert);
}

start().catch((error) => {
  say("KEZ Chat could not start in this browser. Reload the page, or update the browser.");
  throw error;
});
