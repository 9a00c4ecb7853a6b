"use strict";
// The table of all cells of all data sets, joined from the chunks "<data set>/<shard>/cells". Columns are typed arrays,
// a row is a number: cells of the first shard first. It grows while shards arrive (table.n rows are there).
(() => {
  // Columns of the chunk that are taken over: [numbers per cell, type].
  const PER_CELL = {
    cell: [1, Uint32Array], y0: [1, Uint32Array], x0: [1, Uint32Array], y1: [1, Uint32Array], x1: [1, Uint32Array],
    centroid: [2, Float32Array], area: [1, Uint32Array], nucleus_area: [1, Uint32Array], quality: [1, Uint8Array],
    touches_border: [1, Uint8Array], calls: [1, Uint32Array], truth: [1, Uint32Array], known: [1, Uint8Array],
    disagree: [1, Uint16Array], unlike: [1, Float32Array], order: [1, Uint32Array], picked: [1, Uint8Array],
    picture: [1, Uint32Array], crop: [3, Int32Array],
  };
  const PER_FIELD = {
    height: [1, Uint32Array], width: [1, Uint32Array], pixel_size_um: [1, Float32Array], field_picture: [1, Uint8Array],
    black: [4, Uint8Array], white: [4, Uint8Array], field_unlike: [1, Float32Array], cams: [1, Uint32Array],
  };
  // Chunks that are read at the same time.
  const AT_ONCE = 3;
  let whole = null;
  const watchers = new Set();

  const many = (columns, count) =>
    Object.fromEntries(Object.entries(columns).map(([name, [width, Kind]]) => [name, new Kind(width * count)]));

  function empty(run) {
    const shards = run.datasets.flatMap((ds, dataset) => ds.shards.map((shard) => (
      { dataset, path: `${ds.name}/${shard.name}`, name: shard.name, cells: shard.cells, fields: shard.fields,
        start: 0, end: 0, firstField: 0, state: "waiting" })));
    const cells = shards.reduce((sum, shard) => sum + shard.cells, 0);
    const fields = shards.reduce((sum, shard) => sum + shard.fields, 0);
    const classes = run.classes.map((_, c) => c);
    const calibrated = run.datasets.some((ds) => ds.calibrated);
    return {
      n: 0, expected: cells, shards, problems: [], done: 0, classes: run.classes,
      dataset: new Uint8Array(cells), shard: new Uint16Array(cells), row: new Uint32Array(cells),
      field: new Uint32Array(cells), top: new Uint8Array(cells), ...many(PER_CELL, cells),
      scores: classes.map(() => new Uint16Array(cells)),
      calibrated: calibrated ? classes.map(() => new Uint16Array(cells)) : null,
      fields: {
        n: 0, dataset: new Uint8Array(fields), shard: new Uint16Array(fields), index: new Uint32Array(fields), id: [],
        // First row of the cells of the shard; codes into values per metadata column, 0 for "".
        ...many(PER_FIELD, fields),
        // Column -> its texts and a number per field (Object.create: columns of any name, also "__proto__").
        metadata: Object.create(null),
      },
    };
  }

  // Number of a text in a metadata column of the table; new texts are added.
  function coded(column, text) {
    if (!column.numbers.has(text)) {
      column.numbers.set(text, column.values.length);
      column.values.push(text);
    }
    return column.numbers.get(text);
  }

  function addMetadata(table, chunk, from, count) {
    for (const [name, { values }] of Object.entries(chunk.metadata || {})) {
      const all = table.fields.metadata;
      if (!(name in all)) {
        all[name] = { values: [""], numbers: new Map([["", 0]]), codes: new Uint32Array(table.fields.dataset.length) };
      }
      const numbers = values.map((text) => coded(all[name], text));
      const codes = chunk.columns[`metadata.${name}`];
      for (let i = 0; i < count; i++) all[name].codes[from + i] = numbers[codes[i]];
    }
  }

  function check(shard, chunk) {
    const wrong = (what) => new Error(`data/${shard.path}/cells.js ${what}. Remake the view with "snakemake view".`);
    const cells = chunk.columns.cell.length;
    const fields = chunk.ids.length;
    if (cells !== shard.cells || fields !== shard.fields) {
      throw wrong(`holds ${cells} cells in ${fields} fields, data/run.js says ${shard.cells} in ${shard.fields}`);
    }
    for (const [columns, count] of [[PER_CELL, cells], [PER_FIELD, fields]]) {
      for (const [name, [width]] of Object.entries(columns)) {
        const found = chunk.columns[name];
        if (found && found.length !== width * count) {
          throw wrong(`is damaged: column "${name}" has ${found.length} numbers, expected ${width * count}`);
        }
      }
    }
    if (chunk.columns.scores.length !== cells * puzzlecell.run.classes.length) {
      throw wrong(`is damaged: column "scores" has ${chunk.columns.scores.length} numbers, `
        + `expected ${cells * puzzlecell.run.classes.length}`);
    }
  }

  // Most probable class of rows from..to.
  function findTop(table, from, to) {
    const best = table.scores[0].slice(from, to);
    for (let c = 1; c < table.scores.length; c++) {
      const scores = table.scores[c];
      for (let i = from; i < to; i++) {
        if (scores[i] > best[i - from]) {
          best[i - from] = scores[i];
          table.top[i] = c;
        }
      }
    }
  }

  function add(table, number, chunk) {
    const shard = table.shards[number];
    check(shard, chunk);
    const { columns } = chunk;
    const n = shard.cells;
    const from = table.n;
    const firstField = table.fields.n;
    for (const [name, [width]] of Object.entries(PER_CELL)) {
      if (columns[name]) table[name].set(columns[name], from * width);
      else if (name === "unlike") table.unlike.fill(NaN, from, from + n);
    }
    for (const [name, [width]] of Object.entries(PER_FIELD)) {
      if (columns[name]) table.fields[name].set(columns[name], firstField * width);
      else if (name === "field_unlike") table.fields.field_unlike.fill(NaN, firstField, firstField + shard.fields);
    }
    for (let c = 0; c < table.scores.length; c++) {
      table.scores[c].set(columns.scores.subarray(c * n, (c + 1) * n), from);
      if (columns.calibrated) table.calibrated[c].set(columns.calibrated.subarray(c * n, (c + 1) * n), from);
    }
    table.dataset.fill(shard.dataset, from, from + n);
    table.shard.fill(number, from, from + n);
    for (let i = 0; i < n; i++) {
      table.row[from + i] = i;
      table.field[from + i] = firstField + columns.field[i];
    }
    findTop(table, from, from + n);
    for (let i = 0; i < shard.fields; i++) {
      table.fields.dataset[firstField + i] = shard.dataset;
      table.fields.shard[firstField + i] = number;
      table.fields.index[firstField + i] = i;
      table.fields.id.push(chunk.ids[i]);
    }
    addMetadata(table, chunk, firstField, shard.fields);
    Object.assign(shard, { start: from, end: from + n, firstField, state: "there" });
    table.n += n;
    table.fields.n += shard.fields;
  }

  // Let the page paint what is there: chunks that follow each other would keep it from that. In tabs that are not seen
  // there are no frames.
  const PAUSE = 150;
  const painting = () => new Promise((resolve) => {
    requestAnimationFrame(() => setTimeout(resolve));
    setTimeout(resolve, PAUSE);
  });

  async function loadAll(table) {
    const pending = new Map();
    let painted = -Infinity;
    const ask = (number) => {
      if (number >= table.shards.length) return;
      const promise = puzzlecell.load(`${table.shards[number].path}/cells`);
      promise.catch(() => {});
      pending.set(number, promise);
    };
    for (let number = 0; number < AT_ONCE; number++) ask(number);
    for (let number = 0; number < table.shards.length; number++) {
      const shard = table.shards[number];
      try {
        add(table, number, await pending.get(number));
      } catch (error) {
        // The others stay usable; the pages show what is missing.
        shard.state = "failed";
        Object.assign(shard, { start: table.n, end: table.n, firstField: table.fields.n });
        table.problems.push(error.message);
      }
      pending.delete(number);
      // Its numbers are in the table now.
      puzzlecell.forget(`${shard.path}/cells`);
      table.done = number + 1;
      for (const watcher of watchers) watcher(table);
      if (performance.now() - painted > PAUSE) {
        await painting();
        painted = performance.now();
      }
      ask(number + AT_ONCE);
    }
    watchers.clear();
    return table;
  }

  // The table (a promise), read once. progress(table) is called after each shard: table.done of table.shards.length are
  // read, rows 0..table.n can be used. table.problems: messages of shards that could not be read.
  function load(progress) {
    if (!whole) {
      puzzlecell.table.current = empty(puzzlecell.run);
      puzzlecell.table.index = new Map();
      whole = loadAll(puzzlecell.table.current);
    }
    const table = puzzlecell.table.current;
    if (progress) {
      if (table.done < table.shards.length) watchers.add(progress);
      if (table.done) progress(table);
    }
    return whole;
  }

  // No longer call a function given to load().
  const unwatch = (progress) => watchers.delete(progress);

  // Number of a field in table.fields, or -1. Fields are looked up in those that are loaded.
  function findField(dataset, id) {
    const { index, current: table } = puzzlecell.table;
    if (!table) return -1;
    for (let f = index.size; f < table.fields.n; f++) {
      index.set(`${table.fields.dataset[f]}\n${table.fields.id[f]}`, f);
    }
    return index.get(`${puzzlecell.run.datasets.findIndex((ds) => ds.name === dataset)}\n${id}`) ?? -1;
  }

  // Rows of the cells of a field (number in table.fields), rising.
  function rowsOf(field) {
    const table = puzzlecell.table.current;
    const { start, end } = table.shards[table.fields.shard[field]];
    const found = [];
    for (let row = start; row < end; row++) if (table.field[row] === field) found.push(row);
    return found;
  }

  // Row of a cell, or -1: find("test", "A1_3", 7).
  function find(dataset, id, cell) {
    const field = findField(dataset, id);
    if (field < 0) return -1;
    return rowsOf(field).find((row) => puzzlecell.table.current.cell[row] === Number(cell)) ?? -1;
  }

  // Text of a metadata column for a field (number in table.fields).
  function text(column, field) {
    const found = puzzlecell.table.current.fields.metadata[column];
    return found ? found.values[found.codes[field]] : "";
  }

  // Names of the classes in a bit mask; bit 31 (uncertain) is left out.
  const names = (mask) => puzzlecell.run.classes.filter((_, c) => mask >>> c & 1);

  // What the address needs to name a cell: { ds, id, cell }.
  function place(row) {
    const table = puzzlecell.table.current;
    const field = table.field[row];
    return { ds: puzzlecell.run.datasets[table.dataset[row]].name, id: table.fields.id[field], cell: table.cell[row] };
  }

  puzzlecell.table = {
    current: null, index: null, ONE: 65535, load, unwatch, find, findField, rowsOf, text, names, place,
  };
})();
