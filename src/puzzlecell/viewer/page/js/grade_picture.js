"use strict";
// What a person sees of a cell to grade: its picture large, and where it lies in its field.
(() => {
  const { h, svg } = puzzlecell.dom;

  // Pictures of a cell: { element, show(row) -> promise, redraw(), clear() }. options.outline: whether to draw the outline.
  function make(table, options) {
    const cell = h("canvas", { class: "grade-cell", role: "img", width: 480, height: 480 });
    const field = h("canvas", { class: "grade-field", role: "img", width: 480, height: 480 });
    const box = svg("rect", {});
    const over = svg("svg", { class: "grade-box", preserveAspectRatio: "none", "aria-hidden": "true" }, box);
    const missing = h("p", { class: "faint grade-missing", hidden: true }, "This field has no picture of its own.");
    const name = h("p", { class: "faint small grade-name" });
    const context = h("figure", { class: "grade-context" }, h("div", { class: "grade-frame" }, field, over, missing), name);
    const problem = h("p", { class: "problem panel", role: "alert", hidden: true });
    const element = h("div", { class: "grade-pictures" }, h("div", { class: "grade-large" }, cell, problem), context);
    let current = null;

    async function draw(row) {
      problem.hidden = true;
      const size = Math.round(cell.clientWidth) || 480;
      const outline = options.outline ? "both" : false;
      try {
        return await puzzlecell.pictures.cell(cell, table, row, puzzlecell.channels, { size, outline });
      } catch (error) {
        problem.textContent = error.message;
        problem.hidden = false;
        return "failed";
      }
    }

    async function drawField(row) {
      const { fields } = table;
      const number = table.field[row];
      const [height, width] = [fields.height[number], fields.width[number]];
      const shown = fields.field_picture[number] === 1;
      field.hidden = !shown;
      missing.hidden = shown;
      over.setAttribute("viewBox", `0 0 ${width} ${height}`);
      for (const [key, value] of Object.entries({ x: table.x0[row], y: table.y0[row],
        width: table.x1[row] - table.x0[row], height: table.y1[row] - table.y0[row] })) box.setAttribute(key, value);
      context.style.setProperty("--proportion", `${width} / ${height}`);
      if (!shown) return;
      const sides = 480 / Math.max(height, width);
      [field.width, field.height] = [Math.max(1, Math.round(width * sides)), Math.max(1, Math.round(height * sides))];
      const shard = table.shards[table.shard[row]];
      try {
        await puzzlecell.pictures.field(field, puzzlecell.run.datasets[shard.dataset].name, shard.name, fields.index[number]);
      } catch (error) {
        field.hidden = true;
        missing.hidden = false;
        missing.textContent = error.message;
      }
    }

    // Draw a cell. The promise says what its canvas shows: "picture", "outline", "failed" or "replaced".
    function show(row) {
      current = row;
      const { ds, id, cell: number } = puzzlecell.table.place(row);
      cell.setAttribute("aria-label", `Cell ${number} of field ${id}`);
      cell.dataset.cell = `${id}\n${number}`;
      name.replaceChildren(h("a", { href: puzzlecell.route.link("/field", { ds, id, cell: number }),
        title: "Open the field of this cell" }, `Cell ${number} of ${id}`));
      field.setAttribute("aria-label", `Field ${id}; a box marks the cell`);
      drawField(row);
      return draw(row);
    }

    // Read what comes next, so that it is there at once.
    function ahead(rows) {
      for (const row of rows) {
        const folder = `data/${table.shards[table.shard[row]].path}`;
        // A picture that cannot be read is named when its turn comes.
        if (table.picture[row]) puzzlecell.sheets.strip(folder, table.picture[row], () => true).catch(() => {});
      }
    }

    const redraw = () => (current === null ? null : show(current));
    return { element, show, ahead, redraw };
  }

  puzzlecell.gradePicture = { make };
})();
