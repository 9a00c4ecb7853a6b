"use strict";
// Groups of cells (wells, antibodies, fields ...) and what their cells show.
(() => {
  const FIELD = "ID";
  const PATTERN = "folds.group";

  // The expression of folds.group, which is one of Python; null if there is none, or none that this browser knows.
  function expression(dataset) {
    if (!dataset.group) return null;
    try {
      return new RegExp(dataset.group.replaceAll("(?P<", "(?<").replace(/\(\?P=(\w+)\)/g, "\\k<$1>"));
    } catch {
      return null;
    }
  }

  function groupOf(pattern, id) {
    const match = pattern.exec(id);
    return match === null ? id : match.length > 1 ? match[1] ?? id : match[0];
  }

  // Ways to group the cells of a data set: [{by, title, level}]; level: its name in the table of variability.
  function levels(dataset) {
    const found = dataset.metadata.map((column) => ({ by: column, title: column, level: column }));
    if (expression(dataset)) found.push({ by: PATTERN, title: "group (folds.group)", level: "group" });
    return [...found, { by: FIELD, title: "single fields", level: "field" }];
  }

  // Group of each field of the table: {names, of: Int32Array, -1 for fields of other data sets or without a value}.
  function grouped(table, number, by) {
    const { fields } = table;
    const numbers = new Map();
    const of = new Int32Array(fields.n).fill(-1);
    const pattern = by === PATTERN ? expression(puzzlecell.run.datasets[number]) : null;
    for (let field = 0; field < fields.n; field++) {
      if (fields.dataset[field] !== number) continue;
      const id = fields.id[field];
      const name = by === FIELD ? id : pattern ? groupOf(pattern, id) : puzzlecell.table.text(by, field);
      if (name === "") continue;
      if (!numbers.has(name)) numbers.set(name, numbers.size);
      of[field] = numbers.get(name);
    }
    return { names: [...numbers.keys()], of };
  }

  const least = (quality) => Math.round(quality * 255);

  // What counts as shown: bases(data set) -> [[name, title, meaning]].
  function bases(dataset) {
    const half = dataset.calibrated ? "calibrated probability" : "probability";
    return [
      ["top", "most probable class", "Each cell shows its most probable class"],
      ...(dataset.calibrated ? [["called", "called classes", "A cell shows the classes that are called"]] : []),
      ["half", `${half} of at least 0.5`, `A cell shows the classes with a ${half} of at least 0.5`]];
  }

  // Function row -> bit mask of the classes that a cell shows.
  function shown(table, dataset, basis) {
    if (basis === "top") return (row) => (1 << table.top[row]) >>> 0;
    if (basis === "called") return (row) => (table.calls[row] & 0x7fffffff) >>> 0;
    const scores = dataset.calibrated ? table.calibrated : table.scores;
    return (row) => {
      let mask = 0;
      for (let index = 0; index < scores.length; index++) if (scores[index][row] >= 32767.5) mask |= 1 << index;
      return mask >>> 0;
    };
  }

  // Counts of all groups of a data set: {names, cells, fields, counts (group by class), top (class that most cells
  // show, -1 for none), entropy, of (group of each field), number (of the data set), classes, mask(row), least, table}.
  // Only cells of at least this quality count.
  function count(table, number, { by, basis, quality }) {
    const dataset = puzzlecell.run.datasets[number];
    const classes = puzzlecell.run.classes.length;
    const { names, of } = grouped(table, number, by);
    const cells = new Uint32Array(names.length);
    const fields = new Uint32Array(names.length);
    const counts = new Uint32Array(names.length * classes);
    const mask = shown(table, dataset, basis);
    for (const group of of) if (group >= 0) fields[group] += 1;
    for (let row = 0; row < table.n; row++) {
      const group = of[table.field[row]];
      if (group < 0 || table.quality[row] < least(quality)) continue;
      cells[group] += 1;
      const shows = mask(row);
      for (let index = 0; index < classes; index++) if (shows >>> index & 1) counts[group * classes + index] += 1;
    }
    const top = new Int8Array(names.length).fill(-1);
    const entropy = new Float64Array(names.length);
    for (let group = 0; group < names.length; group++) {
      const own = counts.subarray(group * classes, (group + 1) * classes);
      entropy[group] = puzzlecell.intervals.classEntropy(own);
      const most = Math.max(...own);
      if (most > 0) top[group] = own.indexOf(most);
    }
    return { names, cells, fields, counts, top, entropy, of, number, classes, mask, least: least(quality), table };
  }

  // Rows of the cells of a group that count.
  function rows(groups, group) {
    const { table, of } = groups;
    const found = [];
    for (let row = 0; row < table.n; row++) {
      if (of[table.field[row]] === group && table.quality[row] >= groups.least) found.push(row);
    }
    return found;
  }

  // Share (0 to 1) of the cells of a group that show a class.
  const share = (groups, group, index) => groups.counts[group * groups.classes + index] / groups.cells[group];

  const tables = new WeakMap();

  // Rows of `snakemake variability` of a group: Map(class or "all" -> {cells, share, share_low ...}); null without any.
  function variability(dataset, level, name) {
    const columns = ((puzzlecell.run.summary || {}).variability || {})[dataset];
    if (!columns) return null;
    if (!tables.has(columns)) {
      const found = new Map();
      for (let i = 0; i < columns.name.length; i++) {
        const key = JSON.stringify([columns.level[i], String(columns.name[i])]);
        if (!found.has(key)) found.set(key, new Map());
        const line = Object.entries(columns).map(([column, values]) => [column, values[i]]);
        found.get(key).set(columns.class[i], Object.fromEntries(line));
      }
      tables.set(columns, found);
    }
    return tables.get(columns).get(JSON.stringify([level, name])) || null;
  }

  puzzlecell.groups = { FIELD, levels, bases, count, rows, share, variability };
})();
