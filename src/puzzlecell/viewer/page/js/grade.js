"use strict";
// The page to grade: one class at a time, cells in a queue, keys 1 to 5.
(() => {
  const { h, number } = puzzlecell.dom;
  const { QUEUES } = puzzlecell.gradeQueue;
  const { understood, address, asked } = puzzlecell.gradeStart;
  const { MEANINGS, progress } = puzzlecell.gradeProgress;
  // Cells whose pictures are read before their turn.
  const AHEAD = 3;

  async function show(main, state) {
    const { table } = puzzlecell;
    if (!puzzlecell.run.datasets.length) throw new Error("this view has no data sets");
    const chosen = understood(state);
    const loading = puzzlecell.controls.progress();
    main.append(loading.element);
    const cells = await table.load(({ done, shards }) =>
      loading.show(done, shards.length, `Reading cells: ${done} of ${shards.length} shards`));
    loading.element.remove();
    // A cell that another page asks for comes first.
    const wanted = state.id !== undefined && state.cell !== undefined ? table.find(chosen.ds, state.id, state.cell) : -1;
    const lost = state.id !== undefined && wanted < 0
      ? h("p", { class: "problem panel", role: "alert" }, `There is no cell ${state.cell} of ${state.id} in ${chosen.ds}.`) : null;
    return workplace(main, { table: cells, chosen, wanted: wanted < 0 ? null : wanted, lost });
  }

  function workplace(main, { table, chosen, wanted, lost }) {
    const { grades, gradeQueue, gradeCells } = puzzlecell;
    const { classes } = puzzlecell.run;
    const stage = h("div", { class: "stage grade-stage" });
    const pictures = puzzlecell.gradePicture.make(table, chosen);
    const files = puzzlecell.gradeFiles.panel(table, () => chosen.ds, () => renew());
    // rows: of the queue, and queued: 1 for each of them. done: rows that this person has graded, with their grades.
    // skipped: rows to come again. steps: what can be undone.
    let [rows, queued, done, skipped, steps] = [new Uint32Array(0), new Uint8Array(0), new Map(), new Set(), []];
    // current: { row, queue, seen, described }; null at the end of the queue. last: what was graded before it.
    let [current, last, busy] = [null, null, false];

    const title = h("h1", { class: "grade-class" });
    const chance = h("p", { class: "grade-chance" });
    const buttons = MEANINGS.map((meaning, k) => h("button", { class: `grade-button g${k + 1}`, "data-grade": k + 1,
      onclick: (event) => { give(k + 1); if (event.detail) stage.focus(); } },
    h("kbd", {}, k + 1), h("span", {}, meaning)));
    const skip = h("button", { onclick: (event) => { pass(); if (event.detail) stage.focus(); },
      title: "The cell comes again at the end. For cells that cannot be judged" }, h("kbd", {}, "0"), "skip");
    const undo = h("button", { onclick: (event) => { back(); if (event.detail) stage.focus(); } }, h("kbd", {}, "u"), "undo");
    const work = h("div", { class: "grade-work" }, h("div", { class: "row grade-head" }, title, h("span", { class: "grow" }), chance),
      pictures.element, h("div", { class: "grade-buttons" }, buttons), h("div", { class: "row" }, skip, undo));
    const ended = h("div", { class: "panel grade-ended", hidden: true });
    const before = h("div", { class: "grade-last small", role: "status" });
    const alarm = h("p", { class: "problem panel", role: "alert", hidden: true });
    const counts = h("div", { class: "grade-counts" });
    stage.tabIndex = -1;

    const className = () => classes[chosen.c];
    const save = () => puzzlecell.route.go("/grade", address(chosen), { replace: true });

    // Read what this person has graded for the class, and the queue, anew.
    function renew({ queue = false } = {}) {
      const own = [...grades.of(chosen.ds, className()).values()].filter((grade) => grade.annotator === grades.annotator());
      done = new Map([...gradeCells.rowsOf(table, chosen.ds, own)].filter(([, row]) => row >= 0).map(([grade, row]) => [row, grade]));
      if (queue) {
        rows = gradeQueue.rows(table, { ds: chosen.ds, c: chosen.c, queue: chosen.queue });
        queued = new Uint8Array(table.n);
        for (const row of rows) queued[row] = 1;
        skipped = new Set();
      }
      if (!current || done.has(current.row) || queue) next();
      else tell();
    }

    // A cell of the random sample that was graded in another queue before counts when its turn comes: leaving it out would
    // leave out the uncertain ones.
    function counted(row) {
      const grade = done.get(row);
      if (chosen.queue !== "random" || !grade || grade.queue === "random") return;
      const drawn = { ...grade, queue: "random" };
      done.set(row, drawn);
      grades.setAll([drawn]);
    }

    function next() {
      let row = null;
      for (const candidate of rows) {
        if (done.has(candidate)) counted(candidate);
        else if (!skipped.has(candidate)) {
          row = candidate;
          break;
        }
      }
      open(row, chosen.queue);
    }

    // Show a cell. It can be graded as soon as it is seen.
    async function open(row, queue) {
      const own = row === null ? null : { row, queue, seen: false, described: gradeCells.described(table, row) };
      current = own;
      main.dataset.seen = "no";
      main.dataset.turn = Number(main.dataset.turn || 0) + 1;
      tell();
      if (!own) return;
      const shown = await pictures.show(row);
      if (current !== own || shown === "replaced") return;
      own.seen = true;
      main.dataset.seen = "yes";
      pictures.ahead(following(row));
    }

    // The next cells after the one that is shown.
    function following(row) {
      const found = [];
      for (const candidate of rows) {
        if (candidate !== row && !done.has(candidate) && !skipped.has(candidate)) found.push(candidate);
        if (found.length === AHEAD) break;
      }
      return found;
    }

    async function give(value) {
      if (!current || !current.seen || busy) return;
      busy = true;
      try {
        const { row, queue, described } = current;
        const earlier = done.get(row) || null;
        const grade = { ...await described, class: className(), grade: value, annotator: grades.annotator(), queue };
        grades.setAll([grade]);
        steps.push({ row, queue, grade, earlier, chosen: { ...chosen } });
        done.set(row, grade);
        last = { row, value, c: chosen.c };
        next();
      } finally {
        busy = false;
      }
    }

    function pass() {
      if (!current || busy) return;
      steps.push({ row: current.row, queue: current.queue, grade: null, chosen: { ...chosen } });
      skipped.add(current.row);
      last = null;
      next();
    }

    function back() {
      if (busy || !steps.length || !stage.contains(work)) return;
      const step = steps.pop();
      if (step.grade) grades.restore(step.grade, step.earlier);
      if (step.chosen.ds !== chosen.ds || step.chosen.c !== chosen.c || step.chosen.queue !== chosen.queue) {
        Object.assign(chosen, { ds: step.chosen.ds, c: step.chosen.c, queue: step.chosen.queue });
        fill();
        renew({ queue: true });
      } else renew();
      skipped.delete(step.row);
      last = null;
      open(step.row, step.queue);
      save();
    }

    const share = (row, c) => table.scores[c][row] / puzzlecell.table.ONE;
    const probability = (row, c) => number(share(row, c), `Probability of ${classes[c]} by the ensemble, not calibrated`);

    // All texts.
    function tell() {
      title.textContent = className();
      chance.replaceChildren(...(current && chosen.probability ? ["probability ", probability(current.row, chosen.c)] : []));
      work.hidden = current === null;
      ended.hidden = current !== null;
      undo.disabled = steps.length === 0;
      before.replaceChildren(...(last ? [`Before: ${last.value}, ${MEANINGS[last.value - 1]}; the run says `,
        probability(last.row, last.c), "."] : []));
      if (!current) end();
      alarm.hidden = grades.problem === null;
      alarm.textContent = grades.problem || "";
      count();
      files.show();
    }

    function end() {
      const again = skipped.size ? h("button", { onclick: () => { skipped = new Set(); next(); stage.focus(); } },
        `Show the ${skipped.size} skipped cells again`) : null;
      const text = rows.length ? "All cells of this queue are graded or skipped." : "This queue has no cells with pictures.";
      ended.replaceChildren(h("p", {}, text), ...(again ? [again] : []));
    }

    function count() {
      const left = rows.length - [...done.keys()].filter((row) => queued[row]).length;
      counts.replaceChildren(...progress([...done.values()], left));
    }

    // Choosers.
    const dataset = h("select", { "aria-label": "Data set", onchange: () => choose({ ds: dataset.value }) },
      puzzlecell.run.datasets.map((ds) => h("option", { value: ds.name }, ds.name)));
    const classChooser = h("select", { "aria-label": "Class", onchange: () => choose({ c: Number(classChooser.value) }) });
    const queues = Object.entries(QUEUES).map(([key, [text, tip]]) => {
      const radio = h("input", { type: "radio", name: "queue", value: key, onchange: () => choose({ queue: key }) });
      return { key, radio, element: h("label", { class: "check", title: tip }, radio, text) };
    });
    const box = (text, tip, key, changed) => {
      const input = h("input", { type: "checkbox", checked: chosen[key], onchange: () => {
        chosen[key] = input.checked;
        save();
        changed();
      } });
      return { input, element: h("label", { class: "check", title: tip }, input, text) };
    };
    const led = box("show the probability before grading", "Hidden, so that it does not lead you; it is shown afterwards",
      "probability", tell);
    const outlined = box("outline", "Outline of the cell and of its nucleus (key o)", "outline", () => pictures.redraw());

    function fill() {
      dataset.value = chosen.ds;
      const known = chosen.queue === "rare" ? gradeQueue.confident(table, chosen.ds) : null;
      const order = classes.map((_, c) => c);
      if (known) order.sort((a, b) => known[a] - known[b]);
      classChooser.replaceChildren(...order.map((c) => h("option", { value: c },
        known ? `${classes[c]} (${known[c]} cells)` : classes[c])));
      classChooser.value = String(chosen.c);
      for (const { key, radio } of queues) radio.checked = key === chosen.queue;
    }

    function choose(changes) {
      Object.assign(chosen, changes);
      last = null;
      files.clear();
      fill();
      save();
      renew({ queue: true });
    }

    const who = h("button", { class: "small", title: "Grade under another name", onclick: () => askName() });
    const named = puzzlecell.controls.labelled("Name", who);
    function askName() {
      current = null;
      named.hidden = true;
      asked(stage, begin);
    }
    function begin() {
      who.textContent = grades.annotator();
      named.hidden = false;
      stage.replaceChildren(...[lost, alarm, work, ended, before].filter((part) => part !== null));
      steps = [];
      current = null;
      const first = wanted;
      wanted = null;
      renew({ queue: true });
      if (first !== null) open(first, "");
      stage.focus();
    }

    main.classList.add("with-side");
    const problems = puzzlecell.controls.problems(table.problems);
    const channels = puzzlecell.controls.channels(() => pictures.redraw());
    main.append(h("div", { class: "side" }, problems,
      h("fieldset", { class: "panel" }, h("legend", {}, "Grade"), puzzlecell.controls.labelled("Data set", dataset),
        classChooser, named,
        h("div", { role: "radiogroup", "aria-label": "Queue", class: "grade-queues" }, queues.map(({ element }) => element)),
        led.element, outlined.element),
      channels,
      h("fieldset", { class: "panel" }, h("legend", {}, "Progress"), counts), files.element), stage);
    fill();

    const may = (act) => (event) => {
      // Keys that are held down would grade cells unseen; on a control, space belongs to the control.
      if (!current || event.repeat || (event.key === " " && event.target.closest("button, a, label, input, summary"))) return false;
      act();
      return true;
    };
    const unbind = puzzlecell.keys.bind([
      ...MEANINGS.map((meaning, k) => ({ keys: [String(k + 1)], what: meaning, act: may(() => give(k + 1)) })),
      { keys: ["0", " "], what: "skip", act: may(pass) },
      { keys: ["u"], what: "undo (also ctrl z)", act: (event) => { if (!event.repeat) back(); } },
      { keys: ["o"], what: "outline on and off", act: () => outlined.input.click() },
      ...puzzlecell.controls.channelKeys(channels),
    ]);
    const control = (event) => {
      if (event.key !== "z" || !(event.ctrlKey || event.metaKey) || event.shiftKey) return;
      if (event.target.closest("input[type=text], input[type=search], textarea")) return;
      event.preventDefault();
      back();
    };
    addEventListener("keydown", control);
    const unwatch = grades.watch(({ elsewhere }) => {
      if (!stage.contains(work)) return;
      if (elsewhere) renew();
      else tell();
    });
    if (grades.annotator()) begin();
    else askName();
    return () => {
      unbind();
      unwatch();
      removeEventListener("keydown", control);
    };
  }

  puzzlecell.pages.push({ name: "grade", path: "/grade", title: "Grade", tab: true, show });
})();
