"use strict";
// A cell of the gallery: its tile, and the bar below the list that says more of one cell.
(() => {
  const { h, number } = puzzlecell.dom;

  const share = (value) => value / puzzlecell.table.ONE;

  // What is said of a cell: marks on its picture and three lines below. Words and signs, so that no colour is needed.
  function texts(table, row, chosen) {
    const { run } = puzzlecell;
    const c = chosen ?? table.top[row];
    const name = run.classes[c];
    const { calibrated } = run.datasets[table.dataset[row]];
    const place = puzzlecell.table.place(row);
    const mark = (text, title, kind = "") => h("span", { class: `mark ${kind}`, title }, text);
    const marks = [];
    if (table.touches_border[row]) marks.push(mark("edge", "Touches the border of its field"));
    if (calibrated && table.calls[row] >>> c & 1) marks.push(mark("called", `Called ${name}`));
    if (table.known[row]) {
      const truth = `True classes: ${puzzlecell.table.names(table.truth[row]).join(", ") || "none"}`;
      const right = table.truth[row] >>> c & 1;
      marks.push(right ? mark("✓ true", `Truly shows ${name}. ${truth}`, "good")
        : mark("✗ not", `Does not show ${name}. ${truth}`, "bad"));
    }
    const first = [h("span", { class: "p number", title: `Probability of ${name}: mean of the ensemble` },
      share(table.scores[c][row]).toFixed(3))];
    if (calibrated) {
      first.push(h("span", { class: "number faint", title: `Calibrated probability of ${name}` },
        `cal ${share(table.calibrated[c][row]).toFixed(2)}`));
    }
    const top = run.classes[table.top[row]];
    return { marks, lines: [first, h("span", { class: "text", title: `Most probable class: ${top}` }, top),
      [h("span", { class: "text faint", title: `Field ${place.id}, data set ${place.ds}` }, place.id),
        h("span", { class: "faint", title: `Cell ${place.cell} of field ${place.id}` }, `· ${place.cell}`)]] };
  }

  // The bar below the list: the cell that the keys are at.
  function details(table, row, chosen) {
    const place = puzzlecell.table.place(row);
    const best = puzzlecell.run.classes.map((name, c) => [table.scores[c][row], name]).sort((a, b) => b[0] - a[0]);
    const metadata = Object.keys(table.fields.metadata)
      .map((name) => [name, puzzlecell.table.text(name, table.field[row])]).filter(([, text]) => text !== "");
    const named = best.filter(([, name], i) => i < 3 || (chosen !== null && name === puzzlecell.run.classes[chosen]));
    return [h("strong", {}, `Cell ${place.cell} of ${place.id} (${place.ds})`),
      named.map(([value, name]) => h("span", {}, `${name} `,
        number(share(value), `Probability of ${name}: mean of the ensemble`))),
      h("span", {}, "quality ", number(table.quality[row] / 255, "Quality: how complete the cell is at the border of the "
        + "field, and how usual its size, 0 to 1", 2)),
      Number.isNaN(table.unlike[row]) ? null : h("span", {}, "unlike training ",
        number(table.unlike[row], "How far the cell is from what the training fields looked like: above 1, do not trust its "
          + "probabilities", 2)),
      metadata.map(([name, text]) => h("span", { class: "faint" }, `${name} ${text}`)),
      h("a", { href: puzzlecell.route.link("/field", { ...place, class: chosen }) }, "Open its field")];
  }

  // A tile without a cell.
  const blank = () => {
    const [first, second, third] = [1, 2, 3].map(() => h("div", { class: "line" }));
    const canvas = h("canvas", { "aria-hidden": "true" });
    const note = h("div", { class: "note", hidden: true });
    const marks = h("div", { class: "marks" });
    const tile = h("a", { class: "tile", role: "option", tabindex: -1, draggable: "false" },
      h("div", { class: "picture" }, canvas, marks, note), first, second, third);
    return Object.assign(tile, { parts: { canvas, note, marks, lines: [first, second, third] } });
  };

  puzzlecell.galleryTile = { texts, details, blank };
})();
