// Brings the part of the module that a first visit of /messages does not need. `cargo xtask build` splits it off; where it
// did not (there is no `url`, or the module shares no memory), everything is there.
//
// `missing` is called when a function cannot go on because its part did not come.
export function provide(url, first, missing) {
  let there = !url || !first["0m"];
  let coming;

  function add(module) {
    if (!there) new WebAssembly.Instance(module, { first });
    there = true;
  }

  self.later = {
    isThere: () => there,

    // Compiled elsewhere already.
    add,

    // Before something of it is shown, and when there is time. Gives it to whoever wants to add it elsewhere.
    bring() {
      coming ??= compile(url).then(
        (module) => { if (module) add(module); return module; },
        (error) => { coming = undefined; throw error; },
      );
      return coming;
    },

    // One of its functions was called, and the caller cannot wait: so the whole thread does.
    bringNow() {
      if (there) return;
      try {
        add(new WebAssembly.Module(bytesNow(url)));
      } catch (error) {
        missing();
        throw error;
      }
    },
  };
}

// Only workers may ask for bytes in this way, a page must ask for text that means bytes.
function bytesNow(url) {
  const request = new XMLHttpRequest();
  request.open("GET", url, false);
  request.overrideMimeType("text/plain; charset=x-user-defined");
  request.send();
  if (request.status !== 200) throw new Error(`the rest of KEZ Chat did not come: ${request.status}`);
  return Uint8Array.from(request.responseText, (letter) => letter.charCodeAt(0));
}

async function compile(url) {
  return url && WebAssembly.compileStreaming(fetch(url));
}
