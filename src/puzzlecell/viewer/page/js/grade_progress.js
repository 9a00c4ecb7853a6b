"use strict";
// What a person has graded for a class.
(() => {
  const { h, number } = puzzlecell.dom;
  const MEANINGS = ["surely lacks it", "probably lacks it", "more likely shows it than not", "probably shows it",
    "surely shows it"];

  // Elements that show how many cells have each grade. given: the grades; left: cells of the queue without one.
  function progress(given, left) {
    const per = MEANINGS.map((_, k) => given.filter((grade) => grade.grade === k + 1).length);
    const most = Math.max(1, ...per);
    const random = given.filter((grade) => grade.queue === "random").length;
    return [
      h("p", {}, number(given.length, "Cells that you have graded for this class", 0), " graded, ",
        number(left, "Cells of this queue that you have not graded for this class", 0), " left in this queue"),
      h("div", { class: "grade-bars" }, per.map((value, k) => h("div", { class: "grade-bar" }, h("kbd", {}, k + 1),
        h("span", { class: "grade-fill", style: `inline-size: ${100 * value / most}%` }),
        number(value, `Cells that you have graded ${k + 1}: ${MEANINGS[k]}`, 0)))),
      h("p", { class: "small faint" }, number(random, "Only these count for the score that holds for all cells", 0),
        " of them in the random queue")];
  }

  puzzlecell.gradeProgress = { MEANINGS, progress };
})();
