"use strict";
// Grades leave the browser as cell_labels.csv, and come back from such files.
(() => {
  const { h } = puzzlecell.dom;
  const LISTED = 5;
  const NAME = "cell_labels.csv";

  const download = (name, text) =>
    puzzlecell.exports.download(new Blob([text], { type: "text/csv;charset=utf-8" }), name);

  const byCell = (a, b) => a.ID.localeCompare(b.ID) || a.cell - b.cell || puzzlecell.run.classes.indexOf(a.class)
    - puzzlecell.run.classes.indexOf(b.class) || a.annotator.localeCompare(b.annotator);

  // Grades of a data set: those of cells of this view, and others (of masks that have changed since, or another run).
  function split(table, ds) {
    const grades = puzzlecell.grades.all(ds).sort(byCell);
    const rows = puzzlecell.gradeCells.rowsOf(table, ds, grades);
    return { own: grades.filter((grade) => rows.get(grade) >= 0), others: grades.filter((grade) => rows.get(grade) < 0) };
  }

  // Take over the grades of a file: { taken, same, conflicts: [[grade here, grade of the file]], elsewhere: [grades] }.
  // Grades that differ from those here are left to be decided.
  function merge(table, ds, grades) {
    const rows = puzzlecell.gradeCells.rowsOf(table, ds, grades);
    const done = { taken: [], same: 0, conflicts: [], elsewhere: [], grades: new Map() };
    for (const given of grades) {
      const row = rows.get(given);
      if (row < 0) {
        done.elsewhere.push(given);
        continue;
      }
      const grade = { ...given, ds };
      delete grade.line;
      const key = JSON.stringify([grade.class, puzzlecell.grades.keyOf(grade)]);
      const here = done.grades.get(key) || puzzlecell.grades.get(ds, grade.class, grade.ID, grade.cell, grade.annotator);
      if (!here || !puzzlecell.gradeCells.fits(table, row, here)) done.taken.push(grade);
      else if (here.grade === grade.grade) done.same++;
      else done.conflicts.push([here, grade]);
      if (!here) done.grades.set(key, grade);
    }
    puzzlecell.grades.setAll(done.taken);
    return done;
  }

  const lines = (texts) => [texts.slice(0, LISTED).map((text) => h("div", {}, text)),
    texts.length > LISTED ? h("div", {}, `and ${texts.length - LISTED} more`) : null];
  const named = (grade) => `cell ${grade.cell} of ${grade.ID}, ${grade.class}`;

  // The panel: export and import of the grades of a data set. ds() -> its name; onchange() after an import.
  function panel(table, ds, onchange) {
    const report = h("div", { class: "grade-report small", role: "status" });
    const say = (...children) => report.replaceChildren(...children.flat(Infinity).filter((child) => child !== null));
    const state = h("span", { class: "faint small" });

    function exportAll() {
      const { own, others } = split(table, ds());
      if (!own.length) {
        say(h("p", {}, "There are no grades to export."));
        return;
      }
      download(NAME, puzzlecell.gradeTable.write(own));
      puzzlecell.grades.exported(ds());
      const path = ((puzzlecell.run.grading || {}).tables || {})[ds()];
      const where = path ? `save it as ${path}` : `name it in the configuration: datasets.${ds()}.cell_labels`;
      say(h("p", {}, `${own.length} grades are in ${NAME}. For training and scores, ${where}.`), others.length ? [
        h("p", {}, `${others.length} grades are of cells that this view does not have: its masks have changed since, or they `
          + "are of another run with the same names. They are not in the file."),
        h("button", { class: "small", onclick: () => download("cell_labels_other.csv", puzzlecell.gradeTable.write(others)) },
          "Export them apart")] : null);
      show();
    }

    function imported(name, text) {
      let read;
      try {
        read = puzzlecell.gradeTable.read(text, puzzlecell.run.classes);
      } catch (error) {
        return [h("p", { class: "problem panel", role: "alert" }, `${name}: ${error.message}`)];
      }
      const done = merge(table, ds(), read.grades);
      const parts = [h("p", {}, `${name}: ${done.taken.length} grades taken over, ${done.same} were here already.`)];
      if (read.problems.length) {
        parts.push(h("div", { class: "problem panel", role: "alert" }, `${read.problems.length} lines cannot be used:`,
          lines(read.problems)));
      }
      if (done.elsewhere.length) {
        parts.push(h("div", { class: "problem panel", role: "alert" }, `${done.elsewhere.length} grades are of cells that `
          + `${ds()} does not have in this view, or that have changed since:`,
        lines(done.elsewhere.map((grade) => `line ${grade.line}: ${named(grade)}`))));
      }
      if (done.conflicts.length) {
        const box = h("div", { class: "panel grade-conflicts" }, `${done.conflicts.length} grades differ from those here, which `
          + "were kept:", lines(done.conflicts.map(([here, given]) =>
          `${named(given)}, ${given.annotator || "no name"}: ${here.grade} here, ${given.grade} in the file`)),
        h("button", { class: "small", onclick: () => {
          puzzlecell.grades.setAll(done.conflicts.map(([, given]) => given));
          box.replaceChildren(`${done.conflicts.length} grades are now those of ${name}.`);
          show();
          onchange();
        } }, "Take those of the file instead"));
        parts.push(box);
      }
      return parts;
    }

    const chooser = h("input", { type: "file", accept: ".csv,text/csv", multiple: "", class: "grade-import",
      "aria-label": "Import grades", onchange: async () => {
        const parts = [];
        for (const file of chooser.files) parts.push(imported(file.name, await file.text()));
        chooser.value = "";
        say(parts);
        show();
        onchange();
      } });
    const element = h("fieldset", { class: "panel" }, h("legend", {}, "File"),
      h("div", { class: "row" }, h("button", { class: "grade-export", onclick: exportAll,
        title: `The grades of this data set by all people, as ${NAME}` }, "Export"), state),
      h("label", { class: "grade-import-label small" }, "Import, to go on: ", chooser), report);

    function show() {
      const count = puzzlecell.grades.changes(ds());
      state.textContent = count ? `${count} changes since the last export` : "all exported";
    }
    show();
    return { element, show, clear: () => say() };
  }

  puzzlecell.gradeFiles = { panel, merge, split };
})();
