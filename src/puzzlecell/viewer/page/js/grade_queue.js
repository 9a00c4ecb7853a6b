"use strict";
// Queues: in which order the cells of a data set are graded for a class.
(() => {
  const SAMPLE = 16;
  const QUEUES = {
    uncertain: ["Uncertain", "Cells whose probability is nearest to the threshold: their grades teach the most"],
    disagree: ["Steps disagree", "Cells of this class whose maps (step 1) and crops (step 2) say different things, most first"],
    rare: ["Rare and confident", "Cells by falling probability; classes with the fewest such cells come first"],
    random: ["Random", "A uniform random sample of all cells: its grades give a score that holds for all cells"],
  };

  // Rows of the random sample. Each shard has drawn the cells with the lowest random places; up to the lowest last place
  // of a shard that has more cells, they are a uniform sample of all cells.
  function sample(table, ds, all) {
    let limit = Infinity;
    for (const shard of table.shards) {
      // Shards that could not be read are named on the page.
      if (puzzlecell.run.datasets[shard.dataset].name !== ds || shard.state !== "there") continue;
      let [last, drawn] = [-1, 0];
      for (let row = shard.start; row < shard.end; row++) {
        if (!(table.picked[row] & SAMPLE)) continue;
        drawn++;
        last = Math.max(last, table.order[row]);
      }
      if (drawn < shard.cells) limit = Math.min(limit, last);
    }
    return all.filter((row) => table.picked[row] & SAMPLE && table.order[row] <= limit)
      .sort((a, b) => table.order[a] - table.order[b]);
  }

  // Rows (Uint32Array) in the order of a queue, for class c of a data set; only cells with a picture.
  function rows(table, { ds, c, queue }) {
    const all = puzzlecell.table.filtered({ dataset: ds, picture: true });
    if (queue === "random") return sample(table, ds, all);
    return puzzlecell.table.sorted(queue === "rare" ? "confident" : queue, c, all);
  }

  // Number of cells of each class that a data set shows with confidence.
  function confident(table, ds) {
    const dataset = puzzlecell.run.datasets.findIndex((one) => one.name === ds);
    return puzzlecell.run.classes.map((_, c) => {
      let count = 0;
      for (let row = 0; row < table.n; row++) {
        if (table.dataset[row] === dataset && puzzlecell.table.shows(table, row, c)) count++;
      }
      return count;
    });
  }

  puzzlecell.gradeQueue = { QUEUES, rows, confident };
})();
