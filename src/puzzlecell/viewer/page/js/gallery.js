"use strict";
// The gallery: cells of a class in a chosen order, filtered. Everything that is chosen stands in the address.
(() => {
  const { h } = puzzlecell.dom;
  const { texts, details, blank } = puzzlecell.galleryTile;
  const SIZES = [112, 152, 216];
  const LINES = 63;
  const ORDERS = {
    confident: ["confident", "highest probability first"],
    uncertain: ["uncertain", "nearest to the threshold of its call first (to 0.5 where nothing is calibrated)"],
    disagree: ["steps disagree", "cells of the class whose step 1 and step 2 differ most first"],
    random: ["random", "cells of the class in a random order that is always the same"],
    unlike: ["unlike training", "cells of the class that are least like the training cells first"],
    missed: ["missed", "cells that truly show the class but are not taken for it, lowest probability first"],
    wrong: ["wrong", "cells that are taken for the class but do not show it, highest probability first"],
  };
  const TAKEN = "A cell is taken for a class that is called for it; where nothing is calibrated, for its most probable "
    + "class and those of probability 0.5 or more.";
  const count = new Intl.NumberFormat("en");

  // State of the address -> what is shown, and back.
  function understood(state) {
    const whole = (text, limit) => (/^\d+$/.test(text ?? "") && Number(text) < limit ? Number(text) : null);
    const { classes } = puzzlecell.run;
    const metadata = {};
    for (const [key, value] of Object.entries(state)) if (key.startsWith("m.")) metadata[key.slice(2)] = value;
    return {
      chosen: whole(state.class, classes.length), order: Object.hasOwn(ORDERS, state.order ?? "") ? state.order : "confident",
      size: whole(state.size, SIZES.length) ?? 1, outlines: state.outlines === "1",
      at: whole(state.at, 2 ** 31) ?? 0, on: whole(state.on, 2 ** 31),
      filter: {
        dataset: state.ds || "", id: state.id || "", metadata, quality: Number(state.quality) || 0,
        border: state.border || "", top: whole(state.top, classes.length), called: whole(state.called, classes.length),
        truth: whole(state.true, classes.length), unlike: state.unlike || "", picture: state.picture === "1",
      },
    };
  }
  function address({ chosen, order, size, outlines, at, on, filter }) {
    return {
      class: chosen, order: order === "confident" ? null : order, size: size === 1 ? null : size,
      outlines: outlines ? 1 : null, ds: filter.dataset, id: filter.id,
      ...Object.fromEntries(Object.entries(filter.metadata).map(([name, value]) => [`m.${name}`, value])),
      quality: filter.quality || null, border: filter.border, top: filter.top, called: filter.called, true: filter.truth,
      unlike: filter.unlike, picture: filter.picture ? 1 : null, at: at || null, on,
    };
  }

  async function show(main, state) {
    const view = understood(state);
    const table = await new Promise((resolve, reject) => {
      puzzlecell.table.load(resolve).then(resolve, reject);
    });
    main.classList.add("with-side");
    let rows = new Uint32Array(0);
    let open = true;
    const kept = (now) => puzzlecell.route.go("/gallery", address(view), { replace: true, now });
    const options = () => ({ size: SIZES[view.size] - 10, outline: view.outlines ? "both" : false });

    function say(note, text, title = text) {
      note.textContent = text;
      note.title = title;
      note.hidden = !text;
    }

    async function draw(tile, row) {
      const { canvas, note } = tile.parts;
      if (table.picture[row]) say(note, "");
      else {
        say(note, "no picture", "Outside the budget of pictures: some cells of each class have one. "
          + '"puzzlecell view --serve" shows all.');
      }
      try {
        await puzzlecell.pictures.cell(canvas, table, row, puzzlecell.channels, options());
      } catch (error) {
        if (tile.row === row) say(note, error.message);
      }
    }

    function fill(tile, index) {
      const row = rows[index];
      tile.row = row;
      tile.index = index;
      tile.href = puzzlecell.route.link("/field", { ...puzzlecell.table.place(row), class: view.chosen });
      const { marks, lines } = texts(table, row, view.chosen);
      tile.parts.marks.replaceChildren(...marks);
      lines.forEach((content, i) => tile.parts.lines[i].replaceChildren(...[content].flat()));
      draw(tile, row);
    }

    const bar = h("div", { class: "gallery-details", role: "status" });
    const list = puzzlecell.tiles({
      label: "Cells", make: blank, fill,
      clear: (tile) => { tile.row = -1; puzzlecell.pictures.release(tile.parts.canvas); },
      onactive(index) { view.on = index; bar.replaceChildren(...details(table, rows[index], view.chosen).flat().filter(Boolean)); kept(); },
      onopen(index) {
        puzzlecell.route.go("/field", { ...puzzlecell.table.place(rows[index]), class: view.chosen });
      },
      // While cells are still being read, the place that the address names is kept.
      onscroll(first) { if (first !== view.at && table.done === table.shards.length) { view.at = first; kept(); } },
    });
    list.element.addEventListener("click", (event) => {
      const tile = event.target.closest(".tile");
      if (tile) {
        view.on = tile.index;
        kept(true);
      }
    });

    const says = h("span", { class: "count", role: "status" });
    const explained = h("span", { class: "faint" });
    const progress = puzzlecell.controls.progress();
    const trouble = h("div");
    const empty = h("div", { class: "empty" });
    list.element.append(empty);
    const head = h("div", { class: "gallery-head" }, says, explained, h("span", { class: "grow" }), progress.element);

    // Choose and order the cells anew. start: the first one in sight.
    function update(start) {
      rows = puzzlecell.table.sorted(view.order, view.chosen, puzzlecell.table.filtered(view.filter));
      const pictured = puzzlecell.run.served ? rows.length : rows.reduce((sum, row) => sum + (table.picture[row] > 0), 0);
      says.replaceChildren(h("span", { class: "number", title: "Cells shown with this class, order and filter" },
        count.format(rows.length)), " of ", h("span", { class: "number", title: "Cells of all data sets" },
        count.format(table.n)), " cells");
      explained.title = ["missed", "wrong"].includes(view.order) ? TAKEN : "";
      explained.replaceChildren(`${ORDERS[view.order][1]} · `, h("span", { class: "number",
        title: "Those with a picture in this folder; the others show their outline" }, count.format(pictured)),
      pictured < rows.length ? ' with a picture, all with "puzzlecell view --serve"' : " with a picture");
      empty.replaceChildren(table.done < table.shards.length ? "Reading …"
        : "No cell has all of this. Choose another class, order or filter.");
      empty.hidden = rows.length > 0;
      bar.replaceChildren(...(rows.length ? [h("span", { class: "faint" }, "Arrow keys move from cell to cell, Enter opens "
        + "the field. Hover a number to read what it is.")] : []));
      list.set(rows.length, SIZES[view.size], SIZES[view.size] + LINES, start);
      saveButton.disabled = !rows.length;
    }
    function changed() {
      view.on = null;
      view.at = 0;
      list.activate(-1);
      update(0);
      kept();
    }

    const classes = puzzlecell.controls.classes({ value: view.chosen, any: "any class", onchange(value) {
      view.chosen = value;
      changed();
    } });
    const usable = Object.keys(ORDERS).filter((order) => {
      const { datasets } = puzzlecell.run;
      if (order === "missed" || order === "wrong") return datasets.some((ds) => ds.truth);
      return order !== "disagree" || datasets.some((ds) => ds.steps.length > 1);
    });
    const order = h("select", { "aria-label": "Order", onchange: () => { view.order = order.value; changed(); } },
      usable.map((name) => h("option", { value: name, title: ORDERS[name][1] }, ORDERS[name][0])));
    order.value = view.order;
    const outlines = h("button", { "aria-pressed": String(view.outlines),
      title: "Outlines of the cell (full) and of its nucleus (dotted)", onclick() {
        view.outlines = !view.outlines;
        outlines.setAttribute("aria-pressed", String(view.outlines));
        list.refresh();
        kept();
      } }, "Outlines");
    function resize(size) {
      view.size = Math.min(SIZES.length - 1, Math.max(0, size));
      sizes.forEach((button, i) => button.setAttribute("aria-pressed", String(i === view.size)));
      list.set(rows.length, SIZES[view.size], SIZES[view.size] + LINES);
      kept();
    }
    const sizes = ["small", "medium", "large"].map((name, i) =>
      h("button", { class: "small", "aria-pressed": String(i === view.size), onclick: () => resize(i) }, name));

    const safe = h("input", { type: "checkbox", checked: true });
    const safely = h("label", { class: "check small", hidden: true, title: "Some IDs, names or metadata begin with = + - @: "
      + "spreadsheets would run them. Switch this off to write them unchanged, for programs that join tables by ID." },
    safe, "apostrophe before texts that a spreadsheet takes for formulas");
    const saved = h("span", { class: "faint small", role: "status" });
    const saveButton = h("button", { title: "The cells shown, in this order, with all probabilities and metadata",
      async onclick() {
        saveButton.disabled = true;
        try {
          const blob = await puzzlecell.exports.csv(table, rows, { safe: safe.checked && !safely.hidden,
            progress: (done) => { saved.textContent = `${count.format(done)} of ${count.format(rows.length)}`; } });
          puzzlecell.exports.download(blob, "cells.csv");
          saved.textContent = `cells.csv: ${count.format(rows.length)} cells`;
        } finally {
          saveButton.disabled = false;
        }
      } }, "Save as CSV");

    const redraw = () => list.refresh();
    const channels = puzzlecell.controls.channels(redraw);
    const filters = h("div");
    const side = h("div", { class: "side" },
      h("fieldset", { class: "panel" }, h("legend", {}, "Cells"),
        classes, puzzlecell.controls.labelled("Order", order),
        h("div", { class: "row", style: "margin-top: .5rem" }, outlines, h("span", { class: "segments" }, sizes))),
      channels, filters,
      h("fieldset", { class: "panel stack" }, h("legend", {}, "Export"), h("div", { class: "row" }, saveButton, saved), safely));
    main.append(side, h("div", { class: "stage" }, head, trouble, list.element, bar));

    function panel() {
      if (filters.contains(document.activeElement)) return;
      filters.replaceChildren(puzzlecell.controls.filters(table, view.filter, changed));
    }
    let drawn = -Infinity;
    function onprogress() {
      if (!open) return;
      const whole = table.done === table.shards.length;
      progress.show(table.done, table.shards.length,
        `reading ${table.done} of ${table.shards.length} parts, ${count.format(table.n)} cells so far`);
      // Ordering takes longer than reading a part: not after each one.
      if (!whole && performance.now() - drawn < 1500) return;
      panel();
      safely.hidden = !puzzlecell.exports.formulas(table);
      trouble.replaceChildren(...[puzzlecell.controls.problems(table.problems)].filter(Boolean));
      update(view.at || list.first());
      drawn = performance.now();
      main.dataset.cells = whole ? "all" : "some";
      if (whole && view.on !== null && view.on < rows.length) list.activate(view.on);
    }
    const loading = puzzlecell.table.load(onprogress);
    if (table.done < table.shards.length) loading.then(onprogress);

    const step = (by) => () => {
      const n = puzzlecell.run.classes.length;
      view.chosen = view.chosen === null ? (by > 0 ? 0 : n - 1) : view.chosen + by;
      if (view.chosen < 0 || view.chosen >= n) view.chosen = null;
      classes.value = view.chosen === null ? "" : String(view.chosen);
      changed();
    };
    // Arrow keys reach the list from wherever nothing else uses them.
    function enter(event) {
      if (event.target !== document.body && event.target !== main) return false;
      list.element.focus();
      if (rows.length) list.activate(list.active() < 0 ? list.first() : list.active());
      return true;
    }
    const unbind = puzzlecell.keys.bind([
      { keys: ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"], what: "from cell to cell (also page up, home ...)",
        act: enter },
      { keys: ["Enter"], what: "open the cell in its field" },
      { keys: ["]"], what: "next class", act: step(1) }, { keys: ["["], what: "class before", act: step(-1) },
      { keys: ["o"], what: "outlines on or off", act: () => outlines.click() },
      { keys: ["+", "="], what: "larger pictures", act: () => resize(view.size + 1) },
      { keys: ["-"], what: "smaller pictures", act: () => resize(view.size - 1) },
      ...puzzlecell.controls.channelKeys(channels),
    ]);
    return () => {
      open = false;
      puzzlecell.table.unwatch(onprogress);
      unbind();
      list.stop();
    };
  }

  puzzlecell.pages.push({ name: "gallery", path: "/gallery", title: "Gallery", tab: true, show });
})();
