"use strict";
// Grades that were given in this browser. They are kept in its storage, class by class, under the identity of the run;
// where it cannot be written, they are kept until the page is closed, and `problem` says so.
(() => {
  const KEPT = ["ID", "cell", "grade", "annotator", "queue", "y", "x", "area_px", "centroid_y", "centroid_x"];
  const NAME = "puzzlecell.annotator";
  const items = new Map();
  const watchers = new Set();
  const unreadable = new Set();
  let name = null;

  const prefix = () => `puzzlecell.grades/${(puzzlecell.run.grading || {}).identity || "run"}/`;
  const itemOf = (ds, className) => prefix() + JSON.stringify([ds, className]);
  const changesOf = (ds) => `${prefix()}changes/${JSON.stringify(ds)}`;
  const keyOf = (grade) => JSON.stringify([grade.ID, Number(grade.cell), grade.annotator]);

  function problem(what) {
    store.problem = what;
    for (const watcher of watchers) watcher({ elsewhere: false });
  }

  function write(key, text) {
    if (unreadable.has(key)) return;
    try {
      localStorage.setItem(key, text);
      if (store.problem && store.problem.startsWith("The grades are not")) store.problem = null;
    } catch (error) {
      const full = error && /quota/i.test(error.name);
      problem(`The grades are not stored: the storage of this browser is ${full ? "full" : "blocked for this page"}. They `
        + "are kept until this page is closed or reloaded: export them before.");
    }
  }

  function read(key) {
    try {
      return localStorage.getItem(key);
    } catch {
      problem("The grades are not stored: the storage of this browser is blocked for this page. They are kept until this "
        + "page is closed or reloaded: export them before.");
      return null;
    }
  }

  // Grades of a class: a map from keyOf() to grades.
  function of(ds, className) {
    const key = itemOf(ds, className);
    if (!items.has(key)) items.set(key, decoded(key, ds, className, read(key)));
    return items.get(key);
  }

  function decoded(key, ds, className, text) {
    const found = new Map();
    if (text === null) return found;
    try {
      for (const values of JSON.parse(text)) {
        const grade = { ds, class: className, ...Object.fromEntries(KEPT.map((column, k) => [column, values[k]])) };
        found.set(keyOf(grade), grade);
      }
    } catch {
      // Not written over, so that nothing is lost that could still be rescued.
      unreadable.add(key);
      problem(`What this browser has stored as grades of ${className} is damaged and stays as it is. Grades of this class `
        + "are kept until this page is closed or reloaded: export them before.");
    }
    return found;
  }

  function save(ds, className) {
    const rows = [...of(ds, className).values()].map((grade) => KEPT.map((column) => grade[column] ?? null));
    write(itemOf(ds, className), JSON.stringify(rows));
  }

  function get(ds, className, ID, cell, annotator = name) {
    return of(ds, className).get(keyOf({ ID, cell, annotator })) || null;
  }

  const counts = new Map();

  // Changes since the last export of a data set.
  function changes(ds) {
    if (!counts.has(ds)) counts.set(ds, Number(read(changesOf(ds))) || 0);
    return counts.get(ds);
  }

  function changed(ds, by) {
    counts.set(ds, Math.max(0, changes(ds) + by));
    write(changesOf(ds), String(counts.get(ds)));
  }

  // Keep grades of one data set; later ones of the same person, cell and class replace earlier ones.
  function setAll(grades) {
    const touched = new Set();
    for (const grade of grades) {
      of(grade.ds, grade.class).set(keyOf(grade), grade);
      changed(grade.ds, 1);
      touched.add(JSON.stringify([grade.ds, grade.class]));
    }
    for (const item of touched) save(...JSON.parse(item));
  }

  // Bring back what was there before a grade was given: null for nothing.
  function restore(grade, before) {
    const own = of(grade.ds, grade.class);
    if (before) own.set(keyOf(before), before);
    else own.delete(keyOf(grade));
    changed(grade.ds, -1);
    save(grade.ds, grade.class);
  }

  const all = (ds) => puzzlecell.run.classes.flatMap((className) => [...of(ds, className).values()]);

  function exported(ds) {
    changed(ds, -changes(ds));
  }

  // The name of the person who grades: "" before it is given.
  function annotator() {
    if (name === null) name = read(NAME) || "";
    return name;
  }

  function rename(text) {
    name = text.replace(/[\u0000-\u001f\u007f]/g, " ").trim();
    write(NAME, name);
  }

  // watch(f): f({ elsewhere }) is called when another window has changed the grades (true), or when grades cannot be stored
  // (false). Returns a function that ends this.
  function watch(watcher) {
    watchers.add(watcher);
    return () => watchers.delete(watcher);
  }

  addEventListener("storage", (event) => {
    if (!puzzlecell.run || event.key === null || !event.key.startsWith(prefix())) return;
    items.delete(event.key);
    counts.clear();
    for (const watcher of watchers) watcher({ elsewhere: true });
  });

  addEventListener("beforeunload", (event) => {
    if (!puzzlecell.run || !puzzlecell.run.datasets.some((ds) => counts.get(ds.name) > 0)) return;
    event.preventDefault();
    // Browsers show a text of their own.
    event.returnValue = "";
  });

  const store = { problem: null, of, get, setAll, restore, all, changes, exported, annotator, rename, watch, keyOf };
  puzzlecell.grades = store;
})();
