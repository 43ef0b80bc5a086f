// The built engine and its loader, in Node: what the module imports, and how it answers and recovers.
// ENGINE is the path of engine.wasm, LOADER that of engine.js.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { pathToFileURL } from "node:url";

const wasm = await readFile(process.env.ENGINE);
const fetched = [];
globalThis.fetch = async (url) => {
  fetched.push(url);
  return new Response(wasm, { headers: { "content-type": "application/wasm" } });
};
const { bring, call } = await import(pathToFileURL(process.env.LOADER).href);
await Promise.all([bring(), bring()]);
await bring();

// Result::Err(Fault::Malformed), as Postcard.
const MALFORMED = new Uint8Array([1, 0]);

test("the module imports nothing, and exports what the loader uses", () => {
  const module = new WebAssembly.Module(wasm);
  assert.deepEqual(WebAssembly.Module.imports(module), []);
  assert.deepEqual(WebAssembly.Module.exports(module).map(({ name }) => name).sort(), ["call", "memory", "room"]);
});

test("bytes that are no call are answered, again and again", () => {
  for (const length of [0, 1, 100, 1_000_000]) {
    assert.deepEqual(call(new Uint8Array(length).fill(255)), MALFORMED);
  }
});

test("after a trap the next call has a new instance", () => {
  const instances = [];
  const { Instance } = WebAssembly;
  WebAssembly.Instance = class {
    constructor(module) {
      const { exports } = new Instance(module);
      const number = instances.push(this);
      const trap = () => { throw new WebAssembly.RuntimeError("unreachable"); };
      this.exports = number === 1 ? { ...exports, call: trap } : exports;
    }
  };
  try {
    // The instance of the test before goes with the first trap: room for more than all memory.
    assert.throws(() => call({ length: -16 }));
    assert.throws(() => call(new Uint8Array(3)), WebAssembly.RuntimeError);
    assert.deepEqual(call(new Uint8Array(3)), MALFORMED);
    assert.deepEqual(call(new Uint8Array(3)), MALFORMED);
    assert.equal(instances.length, 2);
  } finally {
    WebAssembly.Instance = Instance;
  }
});
