"use strict";
// The score on cells that people graded: over all of them, and over those of the random queue.
(() => {
  const { h, number } = puzzlecell.dom;

  // What a score on the cells of a queue says.
  const QUEUES = {
    random: ["random queue", "Cells of the random queue are a sample of all cells: this score holds for the data set"],
    all: ["all graded cells", "Cells of all queues: uncertain or rare cells count more than they do in the data set"],
  };

  // The numbers of a measure in a row of the table, with its interval.
  function measured(table, row, [value, low, high], meaning) {
    return h("td", {}, number(table[value][row], meaning), table[low][row] === null ? null : [
      " (", number(table[low][row], `${meaning}: lower end of the interval`), " to ",
      number(table[high][row], `${meaning}: upper end of the interval`), ")"]);
  }

  // table: columns of results/score/<ds>.graded.csv, in which "mean" is the row of the mean of each queue.
  function gradedScore(table) {
    const rows = Object.keys(QUEUES).flatMap((queue) => {
      const row = table.class.findIndex((name, at) => name === "mean" && table.queue[at] === queue);
      return row < 0 ? [] : [[queue, row]];
    });
    if (!rows.length) return null;
    return h("div", { class: "graded" }, h("h3", {}, "On graded cells"), h("table", { class: "plain" },
      h("thead", {}, h("tr", {}, ["Cells", "Grades", "Mean AP", "Mean AUC"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, rows.map(([queue, row]) => h("tr", { "data-queue": queue },
        h("th", { scope: "row", title: QUEUES[queue][1] }, QUEUES[queue][0]),
        h("td", {}, number(table.cells[row], "Grades that were held out to score with, over all classes", 0)),
        measured(table, row, ["ap", "low", "high"], "Mean average precision over the classes that were graded"),
        measured(table, row, ["auc", "auc_low", "auc_high"],
          "Mean area under the ROC curve: the chance that a cell that shows a class ranks above one that lacks it"))))));
  }

  puzzlecell.gradedScore = gradedScore;
})();
