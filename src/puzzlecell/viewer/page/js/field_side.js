"use strict";
// What stands beside the picture of a field: its cells, its activation maps, and what is known about the field.
(() => {
  const { h, number } = puzzlecell.dom;
  const { cells, classStyle, fact, fields, fieldPixels } = puzzlecell;

  // A cell in a few words, for tooltips.
  function summary(field, row) {
    const { chunk } = field;
    const top = cells.top(chunk, row);
    const right = cells.right(chunk, row);
    const probability = cells.probability(chunk, row, top).toFixed(2);
    const verdict = right === null ? [] : [right ? "✓ right" : "✗ wrong"];
    const doubt = cells.uncertain(chunk, row) ? ["uncertain"] : [];
    const first = `Cell ${chunk.columns.cell[row]}: ${puzzlecell.run.classes[top]} ${probability}`;
    return [first, ...doubt, ...verdict].join(", ");
  }

  // List of the cells of a field: {element, fill(field), mark(row)}.
  function list(onselect) {
    const title = h("h2", {});
    const rows = h("ol", { class: "cell-list" });
    const element = h("section", { class: "panel cell-list-panel", "aria-label": "Cells of this field" }, title, rows);

    function fill(field) {
      const found = fields.rows(field);
      rows.scrollTop = 0;
      title.textContent = `${found.length} ${found.length === 1 ? "cell" : "cells"}`;
      rows.replaceChildren(...found.map((row) => {
        const top = cells.top(field.chunk, row);
        return h("li", {}, h("button", {
          type: "button", "data-row": row, title: summary(field, row), onclick: () => onselect(row),
        }, h("span", { class: "cell-number" }, String(field.chunk.columns.cell[row])), classStyle.swatch(top),
        h("span", { class: "class-name" }, `${top} ${puzzlecell.run.classes[top]}`),
        number(cells.probability(field.chunk, row, top), "Probability of the most probable class", 2)));
      }));
    }

    function mark(row) {
      for (const button of rows.querySelectorAll("button")) {
        const chosen = Number(button.dataset.row) === row;
        if (chosen) button.setAttribute("aria-current", "true");
        else button.removeAttribute("aria-current");
        // Only the list is scrolled, never the page.
        if (chosen) rows.scrollTop = button.offsetTop - (rows.clientHeight - button.offsetHeight) / 2;
      }
    }
    return { element, fill, mark };
  }

  // Switch of the activation map of the chosen class, or which there are, or how they are made.
  function maps({ field, see, set, onopacity }) {
    const names = puzzlecell.run.classes;
    if (see.class !== null && fieldPixels.hasCam(field, see.class)) {
      return [
        h("label", { class: "check" }, h("input", {
          type: "checkbox", checked: see.cam, onchange: (event) => set({ cam: event.target.checked }),
        }), ` ${names[see.class]}`),
        h("label", { class: "check" }, "Opacity ", h("input", {
          type: "range", min: 0.1, max: 1, step: 0.05, value: see.opacity, disabled: !see.cam,
          title: "How strongly the map is added to the picture",
          oninput: (event) => onopacity(Number(event.target.value)),
        }))];
    }
    const those = names.flatMap((name, index) => (fieldPixels.hasCam(field, index) ? [[name, index]] : []));
    if (!those.length) {
      return [h("p", { class: "faint cam-hint" }, "No maps of this field are part of the view. They are made by ",
        h("code", {}, "snakemake cams view"), ".")];
    }
    return [h("p", {}, see.class === null ? "There are maps of " : `There is no map of ${names[see.class]}, but of `,
      those.map(([name, index], i) => [i ? ", " : "", h("button", {
        type: "button", class: "plain", onclick: () => set({ class: index, cam: true }),
      }, name)]), ".")];
  }

  // Panel of a field while no cell is chosen.
  function facts(field, note) {
    const { columns } = field.chunk;
    const { height, width, pixel } = fields.size(field);
    const rows = fields.rows(field);
    const unlike = columns.field_unlike ? columns.field_unlike[field.index] : NaN;
    const um = Number.isNaN(pixel) ? "" : ` = ${(width * pixel).toFixed(0)} x ${(height * pixel).toFixed(0)} µm`;
    const tops = rows.map((row) => cells.top(field.chunk, row));
    const counts = [...new Set(tops)].map((index) => [index, tops.filter((top) => top === index).length])
      .sort((one, other) => other[1] - one[1] || one[0] - other[0]);
    return h("section", { class: "field-facts", "aria-label": "Field" },
      h("h2", {}, field.id), h("p", { class: "faint" }, note),
      h("dl", { class: "facts" },
        fact("Data set", "Data set of the field", field.dataset),
        fact("Size", "Width x height of the field", `${width} x ${height} px${um}`),
        fact("Pixel", "Size of a pixel of the field", Number.isNaN(pixel) ? "not known" : `${pixel.toFixed(4)} µm`),
        fact("Cells", "Cells that were segmented in the field", String(rows.length)),
        Number.isFinite(unlike) ? fact("Unlike training",
          "How far the field is from those that the models were trained on", unlike.toFixed(2)) : null,
        fields.metadata(field).map(([column, value]) => fact(column, `Metadata of the field: ${column}`,
          h("a", { href: puzzlecell.route.link("/samples", { ds: field.dataset, by: column, name: value }) }, value)))),
      h("h3", {}, "Most probable classes"),
      h("ul", { class: "class-counts" }, counts.map(([index, count]) => h("li", {}, classStyle.swatch(index),
        h("span", { class: "class-name" }, `${index} ${puzzlecell.run.classes[index]}`),
        h("span", { class: "number", title: "Cells whose most probable class it is" }, String(count))))),
      h("p", {}, h("a", { href: puzzlecell.route.link("/samples", { ds: field.dataset, by: "ID", name: field.id }) },
        "Shares and entropy of this field")));
  }

  puzzlecell.fieldSide = { summary, list, maps, facts };
})();
