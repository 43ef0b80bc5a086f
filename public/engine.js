// The MLS engine: a WASM module with a memory of its own. It imports nothing and keeps nothing between calls.

// Returns a function from the bytes of a call to those of its answer, or to null when the engine has trapped.
export async function load(url) {
  const module = await WebAssembly.compileStreaming(fetch(url));
  let engine = null;
  return (call) => {
    try {
      engine ??= new WebAssembly.Instance(module).exports;
      // Making room may move the memory, so it comes first.
      const room = engine.room(call.length);
      new Uint8Array(engine.memory.buffer, room, call.length).set(call);
      const at = engine.call(call.length);
      const length = new DataView(engine.memory.buffer).getUint32(at, true);
      const answer = new Uint8Array(engine.memory.buffer, at + 4, length).slice();
      engine.room(0);
      return answer;
    } catch {
      // After a trap its memory cannot be trusted: the next call gets a new one.
      engine = null;
      return null;
    }
  };
}
