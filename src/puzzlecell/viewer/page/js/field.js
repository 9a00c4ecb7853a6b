"use strict";
// The page of a field: its picture with outlined cells, and everything about the chosen cell.
(() => {
  const { h } = puzzlecell.dom;
  const { fields, cells, fieldAddress, fieldKeys, fieldOutlines, fieldPixels, fieldSide } = puzzlecell;
  const PATH = "/field";
  const NOTES = {
    field: "",
    cells: "There is no picture of this whole field in the view: the pictures of its cells are shown at their places. "
      + "“puzzlecell view --serve” shows every field.",
    none: "There is no picture of this field in the view. “puzzlecell view --serve” shows every field.",
  };

  async function show(main, state) {
    const { run } = puzzlecell;
    const dataset = state.ds || (run.datasets.find((one) => one.fields) || {}).name;
    const problem = (text) => { main.append(h("p", { class: "problem", role: "alert" }, text)); };
    if (!dataset) return problem("This view has no fields.");
    if (!fields.described(dataset)) return problem(`This view has no data set “${dataset}”.`);
    const found = await fields.find(dataset, state.id, state.sh);
    if (!found) return problem(`The data set “${dataset}” has no field${state.id ? ` “${state.id}”` : "s"}.`);
    return page(main, state, found);
  }

  function page(main, state, first) {
    const { run } = puzzlecell;
    const see = fieldAddress.read(state);
    let field = first;
    let shapes = [];
    let details = null;
    let note = "";
    let selected = null;
    let closed = false;
    // Counts the fields that were opened, so that what arrives late is not shown in another one.
    let turn = 0;
    // The same for mixed pictures, of which only the last one asked for is shown.
    let wishes = 0;
    const stale = (mine) => closed || mine !== turn;

    const stage = puzzlecell.fieldCanvas({
      onview: (view) => { see.view = view; keep(); },
      onselect: (row) => select(row),
      describe: (row) => fieldSide.summary(field, row),
    });
    const panel = h("div", { class: "panel field-panel" });
    const list = fieldSide.list((row) => select(row));
    const trouble = h("div", { class: "field-trouble" });
    const pictureNote = h("p", { class: "faint picture-note", role: "status" });
    const maps = h("div", { class: "field-maps" });
    const tools = puzzlecell.fieldTools({
      see, set, step, field: () => field, modes: () => fieldOutlines.modes(field.chunk), go: search,
      zoom: stage.zoomBy, fit: stage.fit,
      address: () => location.href.replace(/#.*/s, "") + puzzlecell.route.link(PATH, address()),
    });
    const channels = puzzlecell.controls.channels(drawPixels);
    main.append(h("div", { class: "field-page" },
      tools.element,
      h("div", { class: "field-side" },
        trouble, channels,
        h("section", { class: "panel", "aria-label": "Class activation map" }, h("h2", {}, "Activation map"), maps),
        list.element),
      h("div", { class: "field-middle" }, h("div", { class: "field-frame" }, stage.element, tools.zooms), pictureNote),
      panel));

    const address = () =>
      fieldAddress.written(field, selected === null ? null : field.chunk.columns.cell[selected], see);

    function keep() {
      if (!closed) puzzlecell.route.go(PATH, address(), { replace: true });
    }

    // -- Showing

    function sayProblems() {
      trouble.replaceChildren(...[puzzlecell.controls.problems(fields.problems())].filter(Boolean));
    }

    function open(next, { view = null, cell = null } = {}) {
      turn += 1;
      field = next;
      shapes = [];
      details = null;
      note = "Loading the predictions of each step …";
      see.view = view;
      stage.open(fields.size(field), view);
      stage.update({ outlines: [], pixels: null, cam: null, mark: see.mark });
      for (const key of ["outlined", "pixels", "cam"]) delete stage.element.dataset[key];
      list.fill(field);
      tools.update();
      sayProblems();
      const row = cell === null ? undefined : fields.rows(field).find((one) => field.chunk.columns.cell[one] === cell);
      if (cell !== null && row === undefined) tools.say(`This field has no cell ${cell}.`);
      mark(row ?? null);
      drawPixels();
      drawMap();
      loadShapes(turn);
      loadDetails(turn);
    }

    async function loadShapes(mine) {
      try {
        const chunk = await puzzlecell.pictures.shapes(`${field.dataset}/${field.shard}`);
        if (stale(mine)) return;
        shapes = fieldOutlines.shapesOf(field, chunk);
        drawOutlines();
        stage.element.dataset.outlined = "yes";
      } catch (error) {
        if (!stale(mine)) tools.say(error.message);
      }
    }

    async function loadDetails(mine) {
      try {
        const there = fields.described(field.dataset).details !== false;
        const chunk = there ? await puzzlecell.load(`${field.dataset}/${field.shard}/details`) : null;
        if (stale(mine)) return;
        details = chunk;
        note = chunk ? "" : "The predictions of each step are not part of this view (setting view.details).";
      } catch (error) {
        if (stale(mine)) return;
        note = `The predictions of each step cannot be shown: ${error.message}`;
      }
      fillPanel();
    }

    async function drawPixels() {
      const mine = turn;
      const wish = ++wishes;
      try {
        const found = await fieldPixels.pixels(field, puzzlecell.channels);
        if (stale(mine) || wish !== wishes) return;
        stage.update({ pixels: found.pixels });
        stage.element.dataset.pixels = found.kind;
        pictureNote.textContent = NOTES[found.kind];
        sayProblems();
      } catch (error) {
        if (!stale(mine)) pictureNote.textContent = error.message;
      }
    }

    function drawOutlines() {
      const usable = fieldOutlines.modes(field.chunk).some(([name]) => name === see.colour);
      stage.update({
        outlines: fieldOutlines.styled(shapes, field.chunk, usable ? see.colour : "top", see.class ?? 0),
        lines: see.outlines, labels: see.labels, nuclei: see.nuclei,
      });
    }

    async function drawMap() {
      const mine = turn;
      const index = see.class;
      const there = index !== null && fieldPixels.hasCam(field, index);
      const onopacity = (opacity) => { see.opacity = opacity; stage.update({ opacity }); keep(); };
      maps.replaceChildren(...fieldSide.maps({ field, see, set, onopacity }));
      stage.update({ cam: null });
      delete stage.element.dataset.cam;
      if (!there || !see.cam) return;
      try {
        const cam = await fieldPixels.cam(field, index);
        if (stale(mine) || index !== see.class || !see.cam) return;
        stage.update({ cam, opacity: see.opacity });
        stage.element.dataset.cam = index;
      } catch (error) {
        if (!stale(mine)) pictureNote.textContent = error.message;
      }
    }

    function fillPanel() {
      if (selected === null) {
        panel.replaceChildren(fieldSide.facts(field, "Press a cell, or use the arrow keys, to see its numbers."));
        return;
      }
      const cell = field.chunk.columns.cell[selected];
      const place = { ds: field.dataset, id: field.id, cell };
      const index = see.class ?? cells.top(field.chunk, selected);
      const { link } = puzzlecell.route;
      panel.replaceChildren(puzzlecell.cellPanel({
        field, row: selected, details, note, chosen: see.class,
        onclass: (pressed) => set(see.class === pressed
          ? { class: null, colour: "top" } : { class: pressed, colour: "class" }),
        open: see.members, ontoggle: (shown) => { if (shown !== see.members) { see.members = shown; keep(); } },
        links: [
          h("a", { href: link("/grade", { ...place, class: index }) }, "Grade this cell"), " · ",
          h("a", { href: link("/gallery", { ds: field.dataset, class: index }) }, `More of ${run.classes[index]}`)],
      }));
    }

    // -- Choosing

    function mark(row) {
      selected = row;
      stage.select(row);
      list.mark(row);
      fillPanel();
    }

    function select(row) {
      mark(row);
      if (row !== null) stage.reveal(row);
      keep();
    }

    // Change what is seen, by the names of the address.
    function set(change) {
      const focused = document.activeElement && document.activeElement.closest("[data-class]");
      Object.assign(see, change);
      tools.update();
      drawOutlines();
      drawMap();
      const scroll = panel.scrollTop;
      fillPanel();
      panel.scrollTop = scroll;
      const again = focused && panel.querySelector(`[data-class="${focused.dataset.class}"] button`);
      if (again) again.focus();
      keep();
    }

    // Show another field, with an entry of its own in the browser's history.
    function moveTo(next) {
      history.replaceState(null, "", puzzlecell.route.link(PATH, address()));
      see.mark = null;
      open(next);
      history.pushState(null, "", puzzlecell.route.link(PATH, address()));
      keep();
    }

    async function step(by) {
      const mine = turn;
      const next = await fields.neighbour(field, by);
      if (stale(mine)) return;
      if (next) moveTo(next);
      else tools.say(by > 0 ? "This is the last field." : "This is the first field.");
      sayProblems();
    }

    async function search(dataset, id) {
      const mine = turn;
      try {
        const next = await fields.find(dataset, id, field.shard);
        if (stale(mine)) return;
        if (next) moveTo(next);
        else tools.say(id ? `There is no field “${id}”.` : "This data set has no fields.");
      } catch (error) {
        if (!stale(mine)) tools.say(error.message);
      }
    }

    // Next or previous cell by number; the first or last one if none is chosen.
    function nextCell(by) {
      const rows = fields.rows(field);
      const next = rows[selected === null ? (by > 0 ? 0 : rows.length - 1) : rows.indexOf(selected) + by];
      if (next !== undefined) select(next);
    }

    function arrow(key) {
      const { centroid } = field.chunk.columns;
      const centre = (row) => [centroid[2 * row], centroid[2 * row + 1]];
      const around = fields.rows(field).map((row) => ({ row, centre: centre(row) }));
      const next = selected === null
        ? fieldKeys.nearest(around, stage.middle()) : fieldKeys.towards(around, centre(selected), key);
      if (next !== null) select(next);
    }

    const keys = fieldKeys.list({
      arrow, step, cell: nextCell, none: () => select(null), pan: ([y, x]) => stage.panBy(60 * x, 60 * y),
      zoom: (factor) => stage.zoomBy(factor), fit: stage.fit, flip: (name) => set({ [name]: !see[name] }),
    });
    const unbind = puzzlecell.keys.bind([...keys, ...puzzlecell.controls.channelKeys(channels)]);

    // A place to look at: about 300 pixels around it.
    const marked = see.mark && { zoom: Math.max(stage.element.clientWidth, 300) / 300, x: see.mark[0], y: see.mark[1] };
    open(field, { view: see.view || marked, cell: fieldAddress.integer(state.cell) });

    return () => {
      closed = true;
      unbind();
      stage.close();
    };
  }

  puzzlecell.pages.push({ name: "field", path: PATH, title: "Field", tab: true, show });
})();
