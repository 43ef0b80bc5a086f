// The MLS engine: a WASM module with a memory of its own, for the worker. It imports nothing.
//
// room(len) makes room for a call of that many bytes, call(len) performs it and answers with a length and that many bytes.
// Both are Postcard (mls/src/browser.rs).

const MODULE = "/pkg/kez-chat-engine.wasm";

let module;
let instance;

// Fetches and compiles the module, once.
export async function bring() {
  module ??= await WebAssembly.compileStreaming(fetch(MODULE));
}

// Performs a call. After a trap the next call has a new instance: the module keeps nothing between calls.
export function call(bytes) {
  instance ??= new WebAssembly.Instance(module);
  const { memory, room, call } = instance.exports;
  try {
    const into = room(bytes.length) >>> 0;
    new Uint8Array(memory.buffer, into, bytes.length).set(bytes);
    const at = call(bytes.length) >>> 0;
    const length = new DataView(memory.buffer).getUint32(at, true);
    const reply = new Uint8Array(memory.buffer, at + 4, length).slice();
    room(0);
    return reply;
  } catch (trap) {
    instance = undefined;
    throw trap;
  }
}
