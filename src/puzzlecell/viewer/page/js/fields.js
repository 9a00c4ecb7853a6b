"use strict";
// Fields of a data set, found without loading all shards: a link to a field opens at once.
(() => {
  const described = (name) => puzzlecell.run.datasets.find((dataset) => dataset.name === name);
  const load = (dataset, shard) => puzzlecell.load(`${dataset}/${shard}/cells`);

  // A field: {dataset, shard, chunk, index} with the functions below.
  const place = (dataset, shard, chunk, index) => ({ dataset, shard, chunk, index, id: chunk.ids[index] });

  // Name of the shard of a field, if the table of all cells has it.
  function shardOf(dataset, id) {
    const table = puzzlecell.table.current;
    const number = puzzlecell.table.findField(dataset, id);
    return number < 0 ? null : table.shards[table.fields.shard[number]].name;
  }

  // The field with an ID, the first one without (a promise; null if there is none). shard: where to look first. Shards
  // that cannot be read are passed over; if it is in none of the others, their error is what is said.
  async function find(dataset, id, shard = null) {
    const shards = described(dataset).shards.filter((one) => one.fields).map((one) => one.name);
    const first = [shard, shardOf(dataset, id)].filter((name) => shards.includes(name));
    let problem = null;
    for (const name of new Set([...first, ...shards])) {
      let chunk = null;
      try {
        chunk = await load(dataset, name);
      } catch (error) {
        problem ??= error;
        continue;
      }
      const index = id ? chunk.ids.indexOf(id) : 0;
      if (index >= 0) return place(dataset, name, chunk, index);
      puzzlecell.forget(`${dataset}/${name}/cells`);
    }
    if (problem) throw problem;
    return null;
  }

  // The next (step 1) or previous (step -1) field of the data set; null at its ends.
  async function neighbour(field, step) {
    if (field.chunk.ids[field.index + step] !== undefined) {
      return place(field.dataset, field.shard, field.chunk, field.index + step);
    }
    const shards = described(field.dataset).shards;
    let at = shards.findIndex((one) => one.name === field.shard) + step;
    while (shards[at] && !shards[at].fields) at += step;
    if (!shards[at]) return null;
    const chunk = await load(field.dataset, shards[at].name);
    return place(field.dataset, shards[at].name, chunk, step > 0 ? 0 : chunk.ids.length - 1);
  }

  // Which of the data set's fields it is, from 1.
  function position(field) {
    let before = 0;
    for (const shard of described(field.dataset).shards) {
      if (shard.name === field.shard) break;
      before += shard.fields;
    }
    return before + field.index + 1;
  }

  const rowsOfFields = new WeakMap();

  // Rows of a field's cells in the chunk, in the order of their numbers.
  function rows(field) {
    const { chunk } = field;
    if (!rowsOfFields.has(chunk)) {
      const lists = chunk.ids.map(() => []);
      chunk.columns.field.forEach((index, row) => lists[index].push(row));
      rowsOfFields.set(chunk, lists);
    }
    return rowsOfFields.get(chunk)[field.index];
  }

  // Metadata of the field: [[column, text], ...]; columns without a value are left out.
  function metadata(field) {
    return Object.entries(field.chunk.metadata || {})
      .map(([column, { values }]) => [column, values[field.chunk.columns[`metadata.${column}`][field.index]]])
      .filter(([, value]) => value !== undefined && value !== "");
  }

  function size(field) {
    const { height, width, pixel_size_um: pixel } = field.chunk.columns;
    const um = pixel ? pixel[field.index] : NaN;
    return { height: height[field.index], width: width[field.index], pixel: um > 0 ? um : NaN };
  }

  puzzlecell.fields = { described, find, neighbour, position, rows, metadata, size };
})();
