"use strict";
// Pictures from disk: sheets of cells and pictures of fields, decoded off the main thread, the last used ones kept.
(() => {
  // Bytes of decoded pictures that are kept, and strips (four grey tiles) of cells.
  const BUDGET = 128 * 2 ** 20;
  const STRIPS = 400;
  const AT_ONCE = 4;
  const images = new Map();
  const strips = new Map();
  let used = 0;
  let running = 0;
  const queue = [];

  function next() {
    while (running < AT_ONCE && queue.length) {
      // The latest wishes first: they are what is on the screen now.
      const job = queue.pop();
      if (!job.wanted()) {
        job.give(null);
        continue;
      }
      running++;
      decode(job.path).then(job.give, job.fail).finally(() => { running--; next(); });
    }
  }

  async function decode(path) {
    const image = new Image();
    image.src = path.split("/").map(encodeURIComponent).join("/");
    try {
      await image.decode();
    } catch {
      throw new Error(`${path} cannot be read: it is missing or damaged`);
    }
    return image;
  }

  function forgetOldest() {
    for (const [path, entry] of images) {
      if (used <= BUDGET || images.size <= 2) return;
      if (entry.image) {
        used -= entry.size;
        images.delete(path);
      }
    }
  }

  // A picture (a promise of an image, or of null if it is no longer wanted when its turn comes).
  function image(path, wanted = () => true) {
    let entry = images.get(path);
    if (entry) {
      // To the end: last used.
      images.delete(path);
      images.set(path, entry);
      if (!entry.image) entry.wishes.push(wanted);
      return entry.promise;
    }
    entry = { image: null, size: 0, wishes: [wanted] };
    entry.promise = new Promise((give, fail) => {
      queue.push({ path, give, fail, wanted: () => entry.wishes.some((wish) => wish()) });
    }).then((found) => {
      entry.wishes = [];
      if (!found) {
        images.delete(path);
        return null;
      }
      entry.image = found;
      entry.size = 4 * found.naturalWidth * found.naturalHeight;
      used += entry.size;
      forgetOldest();
      return found;
    }, (error) => {
      images.delete(path);
      throw error;
    });
    images.set(path, entry);
    next();
    return entry.promise;
  }

  // Four grey tiles of a picture side by side, cut out of its sheet: a canvas that is kept. key: number of the picture
  // in its shard + 1.
  function kept(path, key) {
    const name = `${path}#${key}`;
    const strip = strips.get(name);
    if (strip) {
      strips.delete(name);
      strips.set(name, strip);
    }
    return strip;
  }

  async function strip(folder, key, wanted) {
    const found = kept(folder, key);
    if (found) return found;
    const { tile, per_sheet: perSheet } = puzzlecell.run.pictures;
    const number = Math.floor((key - 1) / perSheet);
    const sheet = await image(`${folder}/sheet-${String(number).padStart(4, "0")}.webp`, wanted);
    if (!sheet) return null;
    const cut = document.createElement("canvas");
    cut.width = 4 * tile;
    cut.height = tile;
    cut.getContext("2d").drawImage(sheet, 0, (key - 1) % perSheet * tile, 4 * tile, tile, 0, 0, 4 * tile, tile);
    strips.set(`${folder}#${key}`, cut);
    if (strips.size > STRIPS) strips.delete(strips.keys().next().value);
    return cut;
  }

  puzzlecell.sheets = { image, strip, kept };
})();
