"use strict";
// Everything that is known about one cell, as a panel beside its field.
(() => {
  const { h, number } = puzzlecell.dom;
  const { classStyle, cells, fields } = puzzlecell;
  const REASONS = [
    [1, "one of the most confident"], [2, "one of the most uncertain"], [4, "one where the steps disagree"],
    [8, "random, of its class"], [16, "random, of all cells"],
  ];

  const fixed = (value, digits) => (Number.isFinite(value) ? value.toFixed(digits) : "–");

  // A bar with its number.
  function bar(value, meaning) {
    return h("span", { class: "bar", title: `${meaning}: ${fixed(value, 4)}` },
      h("span", { class: "bar-fill", style: `width:${(100 * value).toFixed(2)}%` }), number(value, meaning, 3));
  }

  // Marks of a class in words: called, true, right, missed, wrong.
  function marks(index, called, truth) {
    const found = [];
    const isCalled = called !== null && called.includes(index);
    if (isCalled) found.push(h("span", { class: "mark", title: "Reaches the call threshold of the class" }, "called"));
    if (truth !== null) {
      const isTrue = truth.includes(index);
      if (isTrue) found.push(h("span", { class: "mark true", title: "The cell shows this class" }, "true"));
      if (called !== null && isTrue !== isCalled) {
        found.push(h("span", { class: "mark wrong", title: isTrue ? "True, but not called" : "Called, but not true" },
          isTrue ? "✗ missed" : "✗ wrong"));
      } else if (called !== null && isTrue) {
        found.push(h("span", { class: "mark right", title: "True and called" }, "✓ right"));
      }
    }
    return found;
  }

  function verdict(chunk, row) {
    const truth = cells.truth(chunk, row);
    if (truth === null) return h("p", { class: "faint" }, "The true classes of this cell are not known.");
    const names = truth.map((index) => puzzlecell.run.classes[index]).join(", ") || "none of the classes";
    const right = cells.right(chunk, row);
    const rule = cells.isCalibrated(chunk) && chunk.columns.calls
      ? "Right: the called classes are exactly the true ones"
      : "Right: the most probable class is one of the true ones";
    return h("p", { class: `verdict ${right ? "right" : "wrong"}` },
      h("span", { title: rule }, right ? "✓ right" : "✗ wrong"), ` – true: ${names}`);
  }

  // Meaning of a prediction of the chunk "details", for tooltips.
  function meaning({ name, model }) {
    if (model) return `Probability by ${name}: mean over the folds of this model and stage`;
    return `Probability by ${name}: weighted mean over its members and their folds`;
  }

  const heading = (text, title) => h("th", { scope: "col", title }, text);

  function probabilities({ field, row, details, chosen, onclass }) {
    const { chunk } = field;
    const calibrated = cells.isCalibrated(chunk);
    const steps = details ? details.predictions.flatMap((one, index) => (one.model ? [] : [{ ...one, index }])) : [];
    const truth = cells.truth(chunk, row);
    const called = cells.called(chunk, row);
    return h("table", { class: `probabilities${calibrated ? " tight" : ""}` },
      h("thead", {}, h("tr", {},
        heading("Class", "Number and name; press one to colour outlines by it and to see its activation map"),
        heading("Probability", "Probability of the ensemble of all steps and members"),
        calibrated ? heading("Cal.", "Calibrated probability") : null,
        steps.map((one) => heading(short(one.name), meaning(one))))),
      h("tbody", {}, falling(chunk, row).map((index) => {
        const name = puzzlecell.run.classes[index];
        return h("tr", { "data-class": index, class: index === chosen ? "chosen" : null },
          h("th", { scope: "row" },
            h("button", {
              type: "button", class: "class-button", "aria-pressed": String(index === chosen), title: name,
              onclick: () => onclass(index),
            }, classStyle.swatch(index), h("span", { class: "class-name" }, `${index} ${name}`)),
            marks(index, called, truth)),
          h("td", {}, bar(cells.probability(chunk, row, index), `Probability of ${name}, ensemble`)),
          calibrated ? h("td", {},
            number(cells.probability(chunk, row, index, "calibrated"), `Calibrated probability of ${name}`)) : null,
          steps.map((one) =>
            h("td", {}, number(predicted(details, one.index, row, index), `${name}. ${meaning(one)}`))));
      })));
  }

  // All classes by falling probability.
  const falling = (chunk, row) => puzzlecell.run.classes.map((_, index) => index)
    .sort((one, other) => cells.probability(chunk, row, other) - cells.probability(chunk, row, one) || one - other);

  const short = (name) => name.replace(/^step /, "step\u00a0");

  // Probability of prediction `which` of the chunk "details".
  function predicted(details, which, row, index) {
    const { scores } = details.columns;
    const classes = puzzlecell.run.classes.length;
    const count = scores.length / (details.predictions.length * classes);
    return scores[(which * classes + index) * count + row] / 65535;
  }

  // Predictions of each member, side by side.
  function members({ field, row, details, open, ontoggle }) {
    const all = details.predictions.flatMap((one, index) => (one.model ? [{ ...one, index }] : []));
    if (!all.length) return null;
    return h("details", { class: "members", open: open ? "" : null, ontoggle: (event) => ontoggle(event.target.open) },
      h("summary", {}, `Each of the ${all.length} members`),
      h("div", { class: "wide" }, h("table", { class: "probabilities" },
        h("thead", {}, h("tr", {}, heading("Class", "Number and name"), all.map((one) =>
          heading(one.name, `${meaning(one)}${Number.isFinite(one.weight) ? `; weight ${one.weight}` : ""}`)))),
        h("tbody", {}, falling(field.chunk, row).map((index) => h("tr", {},
          h("th", { scope: "row", title: puzzlecell.run.classes[index] }, `${index} ${puzzlecell.run.classes[index]}`),
          all.map((one) => h("td", {}, number(predicted(details, one.index, row, index),
            `${puzzlecell.run.classes[index]}. ${meaning(one)}`)))))))));
  }

  // A named fact of a list; title: what it means.
  const fact = (name, title, ...value) => [h("dt", { title }, name), h("dd", { title }, ...value)];

  function facts({ field, row, details }) {
    const { columns } = field.chunk;
    const { pixel } = fields.size(field);
    const area = (pixels) =>
      `${pixels} px${Number.isNaN(pixel) ? "" : ` = ${fixed(pixels * pixel * pixel, 1)} µm²`}`;
    const [high, wide] = [columns.y1[row] - columns.y0[row], columns.x1[row] - columns.x0[row]];
    const extent = Number.isNaN(pixel) ? "" : ` = ${fixed(wide * pixel, 1)} x ${fixed(high * pixel, 1)} µm`;
    const reasons = REASONS.filter(([bit]) => columns.picked && columns.picked[row] & bit).map(([, text]) => text);
    const reason = details && details.unlike_in && details.unlike_in[row];
    return h("dl", { class: "facts" },
      fact("Quality", "border_quality x outlier_quality, from 0 to 1", fixed(columns.quality[row] / 255, 2),
        columns.touches_border[row] ? " – touches the border" : ""),
      fact("Area", "Area of the cell's mask", area(columns.area[row])),
      fact("Nucleus", "Area of the mask of its nucleus", area(columns.nucleus_area[row])),
      fact("Size", "Width x height of the bounding box", `${wide} x ${high} px${extent}`),
      fact("Centre", "Centroid of the cell in pixels of the field: x, y",
        `${fixed(columns.centroid[2 * row + 1], 1)}, ${fixed(columns.centroid[2 * row], 1)} px`),
      columns.disagree ? fact("Steps differ",
        "Largest difference over the classes between the means of step 1 and step 2",
        fixed(columns.disagree[row] / 65535, 3)) : null,
      columns.unlike && Number.isFinite(columns.unlike[row]) ? fact("Unlike training",
        "How far the cell is from the cells that the models were trained on; it does not change probabilities",
        fixed(columns.unlike[row], 2), reason ? ` – ${reason}` : "") : null,
      reasons.length ? fact("Has a picture", "Why its picture is part of the view", reasons.join("; ")) : null,
      fields.metadata(field).map(([column, value]) => fact(column, `Metadata of the field: ${column}`,
        h("a", { href: puzzlecell.route.link("/samples", { ds: field.dataset, by: column, name: value }) }, value))));
  }

  puzzlecell.fact = fact;

  // Panel of the cell in `row` of a field. details: chunk "details", null while it is loading or without one; note:
  // what to say instead. chosen: class that is marked; onclass(index): a class was pressed; links: further elements;
  // open: whether the members are shown; ontoggle(shown): they were opened or closed.
  puzzlecell.cellPanel = (options) => {
    const { field, row, details, note, links } = options;
    const { chunk } = field;
    const top = cells.top(chunk, row);
    return h("section", { class: "cell-panel", "aria-label": "Cell", "data-cell": chunk.columns.cell[row] },
      h("h2", {}, `Cell ${chunk.columns.cell[row]}`,
        h("small", {}, ` ${puzzlecell.run.classes[top]} `,
          number(cells.probability(chunk, row, top), "Probability of the most probable class", 2), " ",
          cells.uncertain(chunk, row) ? h("span", {
            class: "mark", title: chunk.columns.calls ? "Said by the calls" : "No class reaches a probability of 0.5",
          }, "uncertain") : null)),
      verdict(chunk, row),
      links ? h("p", { class: "links" }, links) : null,
      probabilities(options),
      note ? h("p", { class: "faint" }, note) : null,
      details ? members(options) : null,
      facts(options));
  };
})();
