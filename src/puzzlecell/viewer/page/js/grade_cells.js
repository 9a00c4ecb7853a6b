"use strict";
// What a grade says about its cell, so that the cell is found again when numbers or masks have changed.
(() => {
  // Points of a grid over the cell that are tried.
  const GRID = 24;
  // Corners are rounded to whole pixels, and so is the point.
  const ROUNDED = 1.5;
  const round = (value) => Math.round(value * 10) / 10;

  function inside(rings, x, y) {
    let odd = false;
    for (const ring of rings) {
      for (let i = 0, j = ring.length - 2; i < ring.length; j = i, i += 2) {
        const [x1, y1, x2, y2] = [ring[i], ring[i + 1], ring[j], ring[j + 1]];
        if ((y1 > y) !== (y2 > y) && x < (x2 - x1) * (y - y1) / (y2 - y1) + x1) odd = !odd;
      }
    }
    return odd;
  }

  function distance(rings, x, y) {
    let least = Infinity;
    for (const ring of rings) {
      for (let i = 0, j = ring.length - 2; i < ring.length; j = i, i += 2) {
        const [dx, dy] = [ring[i] - ring[j], ring[i + 1] - ring[j + 1]];
        const along = Math.max(0, Math.min(1, ((x - ring[j]) * dx + (y - ring[j + 1]) * dy) / (dx * dx + dy * dy || 1)));
        least = Math.min(least, (x - ring[j] - along * dx) ** 2 + (y - ring[j + 1] - along * dy) ** 2);
      }
    }
    return Math.sqrt(least);
  }

  // The pixel { y, x } of the raw field farthest inside outlines, or null if none is surely inside. rings: arrays of
  // x, y, x, y ... along the corners of pixels, where (0, 0) is the corner of the field. tolerance: how far the outlines may be
  // from the border of the mask, in pixels.
  function pixelInside(rings, tolerance) {
    const xs = rings.flatMap((ring) => [...ring].filter((_, i) => i % 2 === 0));
    const ys = rings.flatMap((ring) => [...ring].filter((_, i) => i % 2 === 1));
    if (!xs.length) return null;
    const [left, top] = [xs.reduce((a, b) => Math.min(a, b)), ys.reduce((a, b) => Math.min(a, b))];
    const [right, bottom] = [xs.reduce((a, b) => Math.max(a, b)), ys.reduce((a, b) => Math.max(a, b))];
    let best = null;
    let far = tolerance + ROUNDED;
    for (let i = 0; i < GRID; i++) {
      for (let j = 0; j < GRID; j++) {
        const y = Math.floor(top + (i + 0.5) * (bottom - top) / GRID);
        const x = Math.floor(left + (j + 0.5) * (right - left) / GRID);
        // The centre of pixel 0 is at 0.5.
        if (!inside(rings, x + 0.5, y + 0.5)) continue;
        const away = distance(rings, x + 0.5, y + 0.5);
        if (away > far) [far, best] = [away, { y, x }];
      }
    }
    return best;
  }

  // What a table of grades says about a cell (a promise): ID, cell, a pixel inside it, area, centroid. Without outlines, the
  // pixel is left out.
  async function described(table, row) {
    const field = table.field[row];
    const { id, cell, ds } = puzzlecell.table.place(row);
    const known = { ds, ID: id, cell, y: null, x: null, area_px: table.area[row],
      centroid_y: round(table.centroid[2 * row]), centroid_x: round(table.centroid[2 * row + 1]) };
    const size = (puzzlecell.run.grading || {}).mask_size;
    if (!size) return known;
    try {
      const chunk = await puzzlecell.pictures.shapes(table.shards[table.shard[row]].path);
      const rings = puzzlecell.pictures.rings(chunk, "cell", table.row[row]);
      const tolerance = Math.max(table.fields.height[field], table.fields.width[field]) / size;
      return { ...known, ...pixelInside(rings, tolerance) };
    } catch (error) {
      // The number, area and centroid are enough to find the cell; the file is named where its outline should be.
      console.warn(error.message);
      return known;
    }
  }

  // Whether a grade is about this cell of the view: of the same number, area and place, as far as the grade tells.
  function fits(table, row, grade) {
    const near = (given, value) => given === null || Math.abs(given - value) < 0.11;
    return grade.cell === table.cell[row] && (grade.area_px === null || grade.area_px === table.area[row])
      && near(grade.centroid_y, table.centroid[2 * row]) && near(grade.centroid_x, table.centroid[2 * row + 1]);
  }

  // Rows of the cells that grades of a data set are about: a map from grade to row, or -1 if this view lacks the cell.
  function rowsOf(table, ds, grades) {
    const cells = new Map();
    const found = new Map();
    for (const grade of grades) {
      if (!cells.has(grade.ID)) {
        const field = puzzlecell.table.findField(ds, grade.ID);
        const rows = field < 0 ? [] : puzzlecell.table.rowsOf(field);
        cells.set(grade.ID, new Map(rows.map((row) => [table.cell[row], row])));
      }
      const row = cells.get(grade.ID).get(grade.cell);
      found.set(grade, row !== undefined && fits(table, row, grade) ? row : -1);
    }
    return found;
  }

  puzzlecell.gradeCells = { pixelInside, described, fits, rowsOf };
})();
