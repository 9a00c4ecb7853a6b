"use strict";
// Panels that several pages share: channels, the chosen class, filters.
(() => {
  const { h } = puzzlecell.dom;

  // The panel of the channels: a checkbox and a slider for each, and how grey levels are shown. onchange() is called after
  // each change; the state is puzzlecell.channels, kept in the address and for the next page.
  function channels(onchange) {
    const state = puzzlecell.channels;
    const changed = () => {
      show();
      state.save();
      if (onchange) onchange();
    };
    const rows = state.SHORT.map((short, k) => {
      const box = h("input", { type: "checkbox", "aria-label": `Show ${short}`, "data-channel": short,
        onchange: () => { state.on[k] = box.checked; changed(); } });
      const slider = h("input", { type: "range", min: 0, max: state.HIGHEST, step: 0.05, "aria-label": `Weight of ${short}`,
        oninput: () => { state.weights[k] = Number(slider.value); changed(); } });
      const value = h("output", { class: "number", title: `Weight of ${short}: grey levels are multiplied by it` });
      const row = h("div", { class: `channel ${short}` },
        h("label", { title: state.NAMES[k] }, box, h("span", { class: "swatch", "aria-hidden": "true" }), short),
        slider, value);
      return { row, box, slider, value };
    });
    const scale = h("select", { "aria-label": "Range of grey levels",
      title: "Own ranges: each field from its background to its bright structures. Common range: the same grey "
        + "levels for all fields of a data set, so that brightness can be compared between cells.",
      onchange: () => { state.scale = scale.value; changed(); } },
    h("option", { value: "field" }, "own ranges"), h("option", { value: "common" }, "common range"));
    const reset = h("button", { class: "small", onclick: () => {
      state.read(state.PLAIN);
      changed();
    } }, "Reset");
    function show() {
      rows.forEach(({ row, box, slider, value }, k) => {
        box.checked = state.on[k];
        slider.value = state.weights[k];
        value.textContent = `×${state.weights[k].toFixed(2)}`;
        row.classList.toggle("off", !state.on[k]);
      });
      scale.value = state.scale;
    }
    show();
    return h("fieldset", { class: "panel channels" }, h("legend", {}, "Channels"), rows.map(({ row }) => row),
      h("div", { class: "row" }, scale, reset));
  }

  // Keys that switch the channels of a panel made by channels(), for keys.bind().
  const channelKeys = (panel) => puzzlecell.channels.SHORT.map((short) => (
    { keys: [short[0]], what: `${short} on or off`, act: () => panel.querySelector(`[data-channel=${short}]`).click() }));

  // A chooser of a class: classes({ value: 3 or null, any: "any class" or null, label, onchange(value) }).
  function classes({ value = null, any = null, label = "Class", onchange }) {
    const chosen = h("select", { "aria-label": label, onchange: () => onchange(chosen.value === "" ? null : +chosen.value) },
      any === null ? null : h("option", { value: "" }, any),
      puzzlecell.run.classes.map((name, c) => h("option", { value: c }, name)));
    chosen.value = value === null ? "" : String(value);
    return chosen;
  }

  const labelled = (text, control, title) => h("label", { class: "labelled", title }, h("span", {}, text), control);

  // More values than this: they are typed, with proposals.
  const LISTED = 60;
  let lists = 0;

  function metadataChooser(name, column, value, onchange) {
    const values = column.values.filter((text) => text !== "")
      .sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
    if (values.length <= LISTED) {
      const chosen = h("select", { onchange: () => onchange(chosen.value) }, h("option", { value: "" }, "any"),
        values.map((text) => h("option", { value: text }, text)));
      chosen.value = value || "";
      return chosen;
    }
    const list = `values-${lists++}`;
    const typed = h("input", { type: "search", list, value: value || "", placeholder: `one of ${values.length}`,
      onchange: () => onchange(typed.value) });
    return [typed, h("datalist", { id: list }, values.slice(0, 2000).map((text) => h("option", { value: text })))];
  }

  // The panel of filters. table: the table of all cells; filter: as table.filtered() takes it, changed in place;
  // onchange() is called after each change.
  function filters(table, filter, onchange) {
    const { run } = puzzlecell;
    const set = (key) => (value) => { filter[key] = value; onchange(); };
    const choice = (key, options) => {
      const chosen = h("select", { onchange: () => set(key)(chosen.value) },
        options.map(([value, text]) => h("option", { value }, text)));
      chosen.value = filter[key] ?? "";
      return chosen;
    };
    const classFilter = (key) => classes({ value: filter[key] ?? null, any: "any", label: key, onchange: set(key) });
    const any = [["", "any"]];
    const id = h("input", { type: "search", value: filter.id || "", placeholder: "part of ID",
      oninput: () => set("id")(id.value) });
    const quality = h("input", { type: "range", min: 0, max: 1, step: 0.05, value: filter.quality || 0,
      oninput: () => { least.textContent = `≥ ${(+quality.value).toFixed(2)}`; set("quality")(+quality.value); } });
    const least = h("output", { class: "number", title: "Quality: how complete the cell is at the border of the field, "
      + "and how usual its size, 0 to 1" }, `≥ ${(+(filter.quality || 0)).toFixed(2)}`);
    const known = run.datasets.some((ds) => ds.truth);
    const calibrated = run.datasets.some((ds) => ds.calibrated);
    const unlike = table.unlike.subarray(0, table.n).some((value) => value > 0);
    const far = h("input", { type: "number", step: "any", min: 0, value: filter.unlike ?? "", placeholder: "at least",
      onchange: () => set("unlike")(far.value) });
    const metadata = Object.entries(table.fields.metadata).map(([name, column]) => labelled(name,
      metadataChooser(name, column, (filter.metadata || {})[name], (value) => {
        filter.metadata = { ...filter.metadata, [name]: value };
        onchange();
      })));
    const picture = h("input", { type: "checkbox", checked: Boolean(filter.picture),
      onchange: () => set("picture")(picture.checked) });
    return h("fieldset", { class: "panel filters" }, h("legend", {}, "Filter"),
      run.datasets.length > 1 ? labelled("Data set",
        choice("dataset", any.concat(run.datasets.map((ds) => [ds.name, ds.name])))) : null,
      labelled("Field", id), metadata,
      labelled("Most probable", classFilter("top"), "The class with the highest probability"),
      calibrated ? labelled("Called", classFilter("called"), "Classes above their thresholds of calls") : null,
      known ? labelled("True class", classFilter("truth"), "Cells whose true classes are known") : null,
      labelled("At the border", choice("border", any.concat([["no", "no"], ["only", "yes"]])),
        "Whether the cell touches the border of its field"),
      labelled("Quality", [quality, least]),
      unlike ? labelled("Unlike training", far,
        "At least this far from what the training fields looked like: above 1, do not trust the probabilities") : null,
      run.served ? null : h("label", { class: "check" }, picture, "only cells with a picture"));
  }

  // A bar of progress with a text: progress() -> { element, show(done, total, text) }; hidden when all is done.
  function progress() {
    const bar = h("progress", { max: 1, value: 0 });
    const text = h("span", { role: "status" });
    const element = h("div", { class: "progress" }, bar, text);
    return { element, show(done, total, says) {
      bar.max = Math.max(1, total);
      bar.value = done;
      text.textContent = says || "";
      element.hidden = done >= total;
    } };
  }

  // What could not be read: a list that stays on the page, or null if there is nothing.
  const problems = (messages) => (messages.length ? h("div", { class: "problem panel", role: "alert" },
    h("strong", {}, "Not shown: "), messages.map((message) => h("div", {}, message))) : null);

  puzzlecell.controls = { channels, channelKeys, classes, filters, progress, problems, labelled };
})();
