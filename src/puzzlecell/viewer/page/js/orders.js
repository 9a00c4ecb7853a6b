"use strict";
// Which cells are shown, and in which order: filters and sorting of the rows of the table. Sorting counts 16-bit keys, so
// that a million rows take some 10 ms.
(() => {
  const { ONE } = puzzlecell.table;

  // Stable sorting of rows by 16-bit keys, one per row.
  function byKeys(rows, keys, descending) {
    const starts = new Uint32Array(65537);
    const flip = descending ? ONE : 0;
    for (let i = 0; i < keys.length; i++) starts[(keys[i] ^ flip) + 1]++;
    for (let k = 0; k < 65536; k++) starts[k + 1] += starts[k];
    const found = new Uint32Array(rows.length);
    for (let i = 0; i < keys.length; i++) found[starts[keys[i] ^ flip]++] = rows[i];
    return found;
  }

  // Keys of rows. (TypedArray.from does the same at a tenth of the speed.)
  function keysOf(rows, key) {
    const keys = new Uint16Array(rows.length);
    for (let i = 0; i < keys.length; i++) keys[i] = key(rows[i]);
    return keys;
  }

  // Stable sorting by 32-bit keys: value(row) -> unsigned integer. Lower halves first, then upper halves.
  function byLongKeys(rows, value) {
    const halfway = byKeys(rows, keysOf(rows, (row) => value(row) & ONE), false);
    return byKeys(halfway, keysOf(halfway, (row) => value(row) >>> 16), false);
  }

  // Whether class c is taken as shown: called if calibrated, else most probable or at least 0.5.
  function shows(table, row, c) {
    if (puzzlecell.run.datasets[table.dataset[row]].calibrated) return (table.calls[row] >>> c & 1) === 1;
    return table.top[row] === c || table.scores[c][row] >= ONE / 2;
  }

  // Class whose score counts for a row: the chosen one, or its most probable one.
  const classOf = (table, row, c) => (c === null ? table.top[row] : c);

  // Distance of the probability from the threshold of calls (calibrated) or from 0.5 (also for classes with too few
  // cells for a threshold), in 65535ths: as viewer/selection.py compares them.
  function uncertainty(table, row, c) {
    const k = classOf(table, row, c);
    const calibrated = puzzlecell.run.thresholds && puzzlecell.run.datasets[table.dataset[row]].calibrated;
    const scores = calibrated ? table.calibrated[k] : table.scores[k];
    const threshold = (calibrated ? puzzlecell.run.thresholds[k] : null) ?? 0.5;
    return Math.abs(scores[row] - Math.round(threshold * ONE));
  }

  // The orders of the gallery. keep: which rows take part for class c (null: any class); key: 16 bits.
  const mostProbable = (table, row, c) => c === null || table.top[row] === c;
  const truly = (table, row, c) => (c === null ? table.truth[row] : table.truth[row] >>> c & 1) !== 0;
  const ORDERS = {
    confident: { key: (table, row, c) => table.scores[classOf(table, row, c)][row], descending: true },
    uncertain: { key: uncertainty },
    disagree: { keep: mostProbable, key: (table, row) => table.disagree[row], descending: true },
    random: { keep: mostProbable, long: (table, row) => table.order[row] },
    unlike: {
      keep: (table, row, c) => table.unlike[row] >= 0 && mostProbable(table, row, c),
      // Bits of floats that are not negative are in the order of the floats.
      long: (table, row) => ~bits(table.unlike[row]) >>> 0,
    },
    missed: {
      keep: (table, row, c) => table.known[row] === 1 && (c === null
        ? truly(table, row, null) && !truly(table, row, table.top[row])
        : truly(table, row, c) && !shows(table, row, c)),
      key: (table, row, c) => table.scores[classOf(table, row, c)][row],
    },
    wrong: {
      keep: (table, row, c) => table.known[row] === 1 && (c === null
        ? !truly(table, row, table.top[row])
        : !truly(table, row, c) && shows(table, row, c)),
      key: (table, row, c) => table.scores[classOf(table, row, c)][row],
      descending: true,
    },
  };
  const float = new Float32Array(1);
  const whole32 = new Uint32Array(float.buffer);
  function bits(value) {
    float[0] = value;
    return whole32[0];
  }

  function everything(table) {
    const rows = new Uint32Array(table.n);
    for (let i = 0; i < rows.length; i++) rows[i] = i;
    return rows;
  }

  // Row numbers in an order ("confident", "uncertain", "disagree", "random", "unlike", "missed", "wrong"), of a class or
  // null for any class; rows: the row numbers to sort (default: all). Equal ones stay in the order of rows.
  function sorted(order, classIndex = null, rows = everything(puzzlecell.table.current)) {
    const table = puzzlecell.table.current;
    const { keep, key, long, descending } = ORDERS[order];
    const kept = keep ? rows.filter((row) => keep(table, row, classIndex)) : rows;
    if (long) return byLongKeys(kept, (row) => long(table, row));
    return byKeys(kept, keysOf(kept, (row) => key(table, row, classIndex)), Boolean(descending));
  }

  // Fields that a filter keeps: 1 or 0 for each.
  function keptFields(table, filter) {
    const { fields } = table;
    const kept = new Uint8Array(fields.n).fill(1);
    const wanted = Object.entries(filter.metadata || {}).filter(([, value]) => value !== "" && value != null);
    const dataset = filter.dataset ? puzzlecell.run.datasets.findIndex((ds) => ds.name === filter.dataset) : null;
    const part = (filter.id || "").toLowerCase();
    for (let f = 0; f < fields.n; f++) {
      if (dataset !== null && fields.dataset[f] !== dataset) kept[f] = 0;
      else if (part && !fields.id[f].toLowerCase().includes(part)) kept[f] = 0;
    }
    for (const [name, value] of wanted) {
      const column = fields.metadata[name] || null;
      const code = column && column.numbers.has(value) ? column.numbers.get(value) : -1;
      for (let f = 0; f < fields.n; f++) if (!column || column.codes[f] !== code) kept[f] = 0;
    }
    return kept;
  }

  // Row numbers that a filter keeps, rising. All keys are optional: dataset (name), id (part of the field's ID),
  // metadata {column: text}, quality (at least, 0..1), border ("no" | "only"), picture (true: with one), top, called,
  // truth (numbers of classes: most probable, called, true), unlike (at least), known (true: true classes known).
  function filtered(filter = {}) {
    const table = puzzlecell.table.current;
    const kept = keptFields(table, filter);
    const least = Math.round((filter.quality || 0) * 255);
    const given = (value) => value !== null && value !== undefined && value !== "";
    const tests = [];
    if (filter.border === "no") tests.push((row) => !table.touches_border[row]);
    if (filter.border === "only") tests.push((row) => table.touches_border[row] === 1);
    if (filter.picture) tests.push((row) => puzzlecell.run.served || table.picture[row] > 0);
    if (given(filter.top)) tests.push((row) => table.top[row] === Number(filter.top));
    if (given(filter.called)) tests.push((row) => (table.calls[row] >>> filter.called & 1) === 1);
    if (given(filter.truth)) tests.push((row) => table.known[row] && (table.truth[row] >>> filter.truth & 1) === 1);
    if (given(filter.unlike)) tests.push((row) => table.unlike[row] >= Number(filter.unlike));
    if (filter.known) tests.push((row) => table.known[row] === 1);
    const found = new Uint32Array(table.n);
    let count = 0;
    for (let row = 0; row < table.n; row++) {
      if (kept[table.field[row]] && table.quality[row] >= least && tests.every((test) => test(row))) {
        found[count++] = row;
      }
    }
    return found.slice(0, count);
  }

  Object.assign(puzzlecell.table, { sorted, filtered, shows, uncertainty, orders: Object.keys(ORDERS) });
})();
