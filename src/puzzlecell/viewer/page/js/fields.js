"use strict";
// Fields of a data set, found without loading all shards: a link to a field opens at once.
(() => {
  const described = (name) => puzzlecell.run.datasets.find((dataset) => dataset.name === name);
  // Shards that could not be read -> what is said of them.
  const unread = new Map();

  // The chunk of a shard (a promise); null if it cannot be read, which problems() says.
  async function read(dataset, shard) {
    const name = `${dataset}/${shard}`;
    try {
      const chunk = await puzzlecell.load(`${name}/cells`);
      unread.delete(name);
      return chunk;
    } catch (error) {
      unread.set(name, error);
      return null;
    }
  }

  // Messages of shards that could not be read, here or for the table of all cells.
  function problems() {
    const table = puzzlecell.table.current;
    return [...new Set([...[...unread.values()].map((error) => error.message), ...(table ? table.problems : [])])];
  }

  // A field: {dataset, shard, chunk, index} with the functions below.
  const place = (dataset, shard, chunk, index) => ({ dataset, shard, chunk, index, id: chunk.ids[index] });

  // Name of the shard of a field, if the table of all cells has it.
  function shardOf(dataset, id) {
    const table = puzzlecell.table.current;
    const number = puzzlecell.table.findField(dataset, id);
    return number < 0 ? null : table.shards[table.fields.shard[number]].name;
  }

  // The field with an ID, the first one without (a promise; null if there is none). shard: where to look first. Shards
  // that cannot be read are passed over; if it is in none of the others, the promise rejects with the error of the first.
  async function find(dataset, id, shard = null) {
    const shards = described(dataset).shards.filter((one) => one.fields).map((one) => one.name);
    const first = [shard, shardOf(dataset, id)].filter((name) => shards.includes(name));
    for (const name of new Set([...first, ...shards])) {
      const chunk = await read(dataset, name);
      if (!chunk) continue;
      const index = id ? chunk.ids.indexOf(id) : 0;
      if (index >= 0) return place(dataset, name, chunk, index);
      puzzlecell.forget(`${dataset}/${name}/cells`);
    }
    const failed = shards.find((name) => unread.has(`${dataset}/${name}`));
    if (failed) throw unread.get(`${dataset}/${failed}`);
    return null;
  }

  // The next (step 1) or previous (step -1) field of the data set; null at its ends. Shards that cannot be read are passed
  // over.
  async function neighbour(field, step) {
    if (field.chunk.ids[field.index + step] !== undefined) {
      return place(field.dataset, field.shard, field.chunk, field.index + step);
    }
    const shards = described(field.dataset).shards;
    for (let at = shards.findIndex((one) => one.name === field.shard) + step; shards[at]; at += step) {
      const chunk = shards[at].fields ? await read(field.dataset, shards[at].name) : null;
      if (chunk) return place(field.dataset, shards[at].name, chunk, step > 0 ? 0 : chunk.ids.length - 1);
    }
    return null;
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

  puzzlecell.fields = { described, find, neighbour, problems, position, rows, metadata, size };
})();
