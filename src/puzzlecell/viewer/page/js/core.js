"use strict";
// The namespace of all scripts, and the loading of chunks: scripts below data/, each with one call of receive().
const puzzlecell = { pages: [] };

(() => {
  const ARRAYS = { u8: Uint8Array, u16: Uint16Array, u32: Uint32Array, i32: Int32Array, f32: Float32Array };
  const waiting = new Map();
  const loaded = new Map();

  // Decode base64 into bytes.
  function bytes(text) {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
    const binary = atob(text);
    const found = new Uint8Array(binary.length);
    for (let i = 0; i < found.length; i++) found[i] = binary.charCodeAt(i);
    return found;
  }

  // Called by every chunk. The description of the run ("run") is kept as puzzlecell.run.
  puzzlecell.receive = (name, content) => {
    const columns = content.columns || {};
    for (const key of Object.keys(columns)) {
      const [type, text] = columns[key];
      columns[key] = new ARRAYS[type](bytes(text).buffer);
    }
    if (name === "run") puzzlecell.run = content;
    const entry = waiting.get(name);
    if (entry) entry.resolve(content);
    else loaded.set(name, Promise.resolve(content));
  };

  // Content of a chunk such as "test/000/cells" (a promise). It is kept; forget() drops it.
  puzzlecell.load = (name) => {
    if (!loaded.has(name)) {
      loaded.set(name, new Promise((resolve, reject) => {
        const script = document.createElement("script");
        const done = () => { waiting.delete(name); script.remove(); };
        waiting.set(name, { resolve });
        script.onload = () => {
          const missing = waiting.has(name) && waiting.get(name).resolve === resolve;
          done();
          // Harmless if receive() has resolved it.
          if (missing) reject(new Error(`data/${name}.js holds no chunk of this name`));
        };
        script.onerror = () => {
          done();
          loaded.delete(name);
          reject(new Error(`data/${name}.js cannot be read`));
        };
        script.src = `data/${name}.js`;
        document.head.append(script);
      }));
    }
    return loaded.get(name);
  };

  puzzlecell.forget = (name) => loaded.delete(name);
})();
