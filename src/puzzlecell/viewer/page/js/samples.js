"use strict";
// The page of samples: wells, antibodies or other groups of fields, and what their cells show.
(() => {
  const { h, number } = puzzlecell.dom;
  const { groups: all } = puzzlecell;
  const PATH = "/samples";
  const ROW = 30;
  const QUALITY = 0.5; // as variability.least_quality

  const COLUMNS = [
    ["name", "Name", "Name of the group", false], ["fields", "Fields", "Fields of the group", true],
    ["cells", "Cells", "Cells of sufficient quality", true],
    ["top", "Top class", "Class that most cells show, and their share", false],
    ["share", "Share", "Share of the cells that show this class", true],
    ["entropy", "Entropy", "Entropy of the calls over the classes, in bits", true],
  ];

  function read(state, run) {
    const dataset = Math.max(0, run.datasets.findIndex((one) => one.name === state.ds));
    const levels = all.levels(run.datasets[dataset]);
    const bases = all.bases(run.datasets[dataset]);
    const quality = state.quality === undefined || state.quality === "" ? NaN : Number(state.quality);
    const usual = levels.find(({ by }) => by === "antibody") || levels[0];
    return {
      dataset, by: (levels.find(({ by }) => by === state.by) || usual).by,
      name: state.name || "", other: state.other || "",
      basis: (bases.find(([basis]) => basis === state.basis) || bases[0])[0],
      quality: quality >= 0 && quality <= 1 ? quality : QUALITY,
      sort: COLUMNS.some(([column]) => column === state.sort) ? state.sort : "name", down: state.down === "1",
      text: state.text || "",
    };
  }

  async function show(main, state) {
    const { run } = puzzlecell;
    if (!run.datasets.length) {
      main.append(h("p", { class: "problem", role: "alert" }, "This view has no data sets."));
      return null;
    }
    const progress = puzzlecell.controls.progress();
    main.append(progress.element);
    const watch = ({ done, shards }) =>
      progress.show(done, shards.length, `Reading cells: ${done} of ${shards.length} shards`);
    const table = await puzzlecell.table.load(watch);
    puzzlecell.table.unwatch(watch);
    progress.element.remove();
    return page(main, table, read(state, run));
  }

  function page(main, table, see) {
    const { run } = puzzlecell;
    let groups = null;
    let order = [];
    let panels = [];
    const dataset = () => run.datasets[see.dataset];
    const level = () => all.levels(dataset()).find(({ by }) => by === see.by);
    const meaning = () => all.bases(dataset()).find(([basis]) => basis === see.basis)[2];

    const list = puzzlecell.virtualList({ height: ROW, label: "Groups", row: (place) => row(order[place]) });
    const heads = h("div", { class: "sample-heads" });
    const told = h("p", { class: "faint", role: "status" });
    const chosen = h("div", { class: "sample-panels" });
    const controls = h("div", { class: "row sample-controls" });
    const channels = puzzlecell.controls.channels(() => panels.forEach((one) => one.draw()));
    main.append(h("div", { class: "samples-page" },
      h("div", { class: "samples-left" },
        puzzlecell.controls.problems(table.problems), controls, told, heads, list.element),
      h("div", { class: "samples-side" }, channels),
      chosen));

    function keep() {
      puzzlecell.route.go(PATH, {
        ds: dataset().name, by: see.by, name: see.name, other: see.other, basis: see.basis === "top" ? null : see.basis,
        quality: see.quality === QUALITY ? null : see.quality, sort: see.sort === "name" ? null : see.sort,
        down: see.down ? 1 : null, text: see.text,
      }, { replace: true });
    }

    function chooser(label, options, value, onchange) {
      const found = h("select", { "aria-label": label, onchange: () => onchange(found.value) },
        options.map(([key, text, title]) => h("option", { value: key, title }, text)));
      found.value = value;
      return h("label", {}, `${label} `, found);
    }

    function fillControls() {
      const quality = h("input", {
        type: "number", min: 0, max: 1, step: 0.05, value: see.quality, class: "quality-input",
        title: "Cells whose border_quality x outlier_quality is lower are left out",
        onchange: () => { see.quality = Math.min(Math.max(Number(quality.value) || 0, 0), 1); count(); },
      });
      const search = h("input", {
        type: "search", value: see.text, placeholder: "part of a name", "aria-label": "Part of a name",
        oninput: () => { see.text = search.value; sort(); keep(); },
      });
      controls.replaceChildren(...[
        run.datasets.length > 1 ? chooser("Data set", run.datasets.map((one) => [one.name, one.name]), dataset().name,
          (name) => restart({ ds: name })) : null,
        chooser("Groups", all.levels(dataset()).map(({ by, title }) => [by, title]), see.by,
          (by) => restart({ ds: dataset().name, by })),
        chooser("Cells show", all.bases(dataset()), see.basis, (basis) => { see.basis = basis; count(); }),
        h("label", {}, "Quality ≥ ", quality), search].filter(Boolean));
    }

    // Other groups: what was chosen among the former ones is forgotten.
    function restart(state) {
      Object.assign(see, read({ quality: String(see.quality), basis: see.basis, ...state }, run));
      fillControls();
      count();
    }

    function count() {
      groups = all.count(table, see.dataset, see);
      sort();
      fillPanels();
      keep();
    }

    const keys = {
      name: null,
      fields: (group) => groups.fields[group],
      cells: (group) => groups.cells[group],
      top: (group) => groups.top[group],
      share: (group) => (groups.top[group] < 0 ? -1 : all.share(groups, group, groups.top[group])),
      entropy: (group) => (Number.isNaN(groups.entropy[group]) ? -1 : groups.entropy[group]),
    };
    const compare = new Intl.Collator(undefined, { numeric: true }).compare;

    function sort() {
      const part = see.text.toLowerCase();
      order = groups.names.map((_, group) => group).filter((group) => groups.names[group].toLowerCase().includes(part));
      const key = keys[see.sort];
      order.sort(key ? (one, other) => key(one) - key(other) || compare(groups.names[one], groups.names[other])
        : (one, other) => compare(groups.names[one], groups.names[other]));
      if (see.down) order.reverse();
      told.textContent = order.length === groups.names.length ? `${order.length} groups`
        : `${order.length} of ${groups.names.length} groups`;
      fillHeads();
      list.show(order.length);
    }

    function fillHeads() {
      const focused = heads.contains(document.activeElement) ? document.activeElement.dataset.column : null;
      heads.replaceChildren(...COLUMNS.map(([column, text, title, numeric]) => h("button", {
        type: "button", title: `${title}. Press to sort.`, "data-column": column, class: numeric ? "numeric" : null,
        "aria-label": see.sort === column ? `${text}, sorted ${see.down ? "downwards" : "upwards"}` : text,
        onclick: () => {
          // Numbers are first sorted downwards: the largest are looked for.
          see.down = see.sort === column ? !see.down : numeric;
          see.sort = column;
          sort();
          keep();
        },
      }, text, see.sort === column ? (see.down ? " ▼" : " ▲") : null)));
      if (focused) heads.querySelector(`[data-column="${focused}"]`).focus();
    }

    function row(group) {
      const name = groups.names[group];
      const top = groups.top[group];
      return h("div", { class: "sample-row", "data-name": name },
        h("button", {
          type: "button", class: "sample-main", "aria-current": name === see.name ? "true" : null,
          onclick: (event) => choose(name, event.shiftKey),
        },
        h("span", { class: "class-name", title: name }, name),
        h("span", { class: "number", title: "Fields of the group" }, String(groups.fields[group])),
        h("span", { class: "number", title: "Cells of sufficient quality" }, String(groups.cells[group])),
        top < 0 ? h("span", {}, "–") : h("span", { class: "class-cell", title: run.classes[top] },
          puzzlecell.classStyle.swatch(top), h("span", { class: "class-name" }, `${top} ${run.classes[top]}`)),
        number(top < 0 ? NaN : all.share(groups, group, top), "Share of the cells that show this class", 2),
        number(groups.entropy[group], "Entropy of the calls over the classes, in bits", 2)),
        h("button", {
          type: "button", class: "small compare", "aria-pressed": String(name === see.other),
          "aria-label": `Compare with ${name}`, title: "Show beside the chosen group (Shift and a press on the row)",
          onclick: () => choose(name, true),
        }, "vs"));
    }

    function choose(name, beside) {
      if (beside && see.name) see.other = name === see.other || name === see.name ? "" : name;
      else Object.assign(see, { name, other: name === see.other ? "" : see.other });
      const at = order.findIndex((group) => groups.names[group] === name);
      const focused = list.element.contains(document.activeElement);
      list.refresh();
      if (focused) list.focus(at);
      fillPanels();
      keep();
    }

    function links(name) {
      const filter = { [all.FIELD]: { id: name }, "folds.group": { id: name } }[see.by] || { [`m.${see.by}`]: name };
      const field = groups.of.indexOf(groups.names.indexOf(name));
      const ds = dataset().name;
      const place = { ds, sh: table.shards[table.fields.shard[field]].name, id: table.fields.id[field] };
      const { link } = puzzlecell.route;
      return [
        h("a", { href: link("/gallery", { ds, ...filter }) }, "All its cells"),
        h("a", { href: link("/field", place) }, see.by === all.FIELD ? "The field" : "Its first field")];
    }

    function fillPanels() {
      panels = [see.name, see.other].filter(Boolean).map((name) => {
        const group = groups.names.indexOf(name);
        if (group < 0) {
          return { element: h("p", { class: "problem" }, `There is no group “${name}”.`), draw: () => {} };
        }
        return puzzlecell.samplePanel(groups, group, { level: level().level, meaning: meaning(), links: links(name) });
      });
      chosen.classList.toggle("two", panels.length > 1);
      chosen.replaceChildren(...(panels.length ? panels.map(({ element }) => element)
        : [h("p", { class: "faint" }, "Press a group to see what its cells show; “vs” shows another beside it.")]));
      for (const one of panels) one.draw();
    }

    fillControls();
    count();
    if (!see.name && order.length) choose(groups.names[order[0]], false);
    const at = order.findIndex((group) => groups.names[group] === see.name);
    if (at >= 0) list.reveal(at);
    return puzzlecell.keys.bind([
      { keys: ["ArrowUp", "ArrowDown"], what: "previous, next group of the list" },
      { keys: ["Enter"], what: "show the group; with Shift: beside the other one" },
      ...puzzlecell.controls.channelKeys(channels)]);
  }

  puzzlecell.pages.push({ name: "samples", path: PATH, title: "Samples", tab: true, show });
})();
