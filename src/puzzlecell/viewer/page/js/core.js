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

  // What is wrong with a chunk's file, for people: they can only make the view again, or copy the folder whole.
  const damaged = (name, what) =>
    new Error(`data/${name}.js ${what}. Copy the folder of the view again, or remake it with "snakemake view".`);

  function decode(name, content) {
    const columns = content.columns || {};
    for (const key of Object.keys(columns)) {
      const [type, text] = columns[key];
      try {
        columns[key] = new ARRAYS[type](bytes(text).buffer);
      } catch {
        throw damaged(name, `is damaged: its column "${key}" cannot be decoded`);
      }
    }
    return content;
  }

  // Called by every chunk. The description of the run ("run") is kept as puzzlecell.run.
  puzzlecell.receive = (name, content) => {
    const entry = waiting.get(name);
    try {
      decode(name, content);
    } catch (error) {
      if (entry) entry.reject(error);
      else puzzlecell.problem = error;
      return;
    }
    if (name === "run") puzzlecell.run = content;
    if (entry) entry.resolve(content);
    else loaded.set(name, Promise.resolve(content));
  };

  // Content of a chunk such as "test/000/cells" (a promise). It is kept; forget() drops it. A chunk that is missing or
  // damaged rejects with the name of its file, and is tried again when it is asked for the next time.
  puzzlecell.load = (name) => {
    if (!loaded.has(name)) {
      const promise = new Promise((resolve, reject) => {
        const script = document.createElement("script");
        let open = true;
        const settle = (act) => (value) => {
          if (!open) return;
          open = false;
          waiting.delete(name);
          act(value);
        };
        const entry = { resolve: settle(resolve), reject: settle(reject) };
        waiting.set(name, entry);
        script.onload = () => {
          script.remove();
          // Harmless if receive() has settled it.
          entry.reject(damaged(name, "is damaged: it is not a chunk of this name, or its end is missing"));
        };
        script.onerror = () => {
          script.remove();
          entry.reject(damaged(name, "cannot be read: it is missing, or this browser may not open it"));
        };
        script.src = `data/${name.split("/").map(encodeURIComponent).join("/")}.js`;
        document.head.append(script);
      });
      loaded.set(name, promise);
      promise.catch(() => { if (loaded.get(name) === promise) loaded.delete(name); });
    }
    return loaded.get(name);
  };

  puzzlecell.forget = (name) => loaded.delete(name);
})();
