"use strict";
// Mixed pictures of cells and fields on canvases. The pixels of pictures from disk cannot be read back, so the canvas does
// the arithmetic: a grey tile times a colour ("multiply"), summed over the channels ("lighter").
(() => {
  const scratch = document.createElement("canvas");
  // What each canvas is to show; a later wish for the same canvas replaces an earlier one.
  const wishes = new WeakMap();
  const shapes = new Map();
  const SHAPES_KEPT = 12;

  const css = (colour, factor) => `rgb(${colour.map((part) => Math.round(part * Math.min(1, factor))).join(" ")})`;

  // A single channel is grey, as microscopists show it; several have their colours.
  function colourOf(channels, k) {
    const shown = channels.on.filter((on, j) => on && channels.weights[j] > 0).length;
    return shown === 1 ? [255, 255, 255] : puzzlecell.channels.COLOURS[k];
  }

  // Draw the four grey squares of a source, side by side from (0, sy), as one mixed picture into the rectangle `to`.
  // ranges: null, or [gain, base] per channel (scale "common").
  function mix(context, source, { side, to, channels, ranges }) {
    const [x, y, width, height] = to;
    if (scratch.width < width || scratch.height < height) {
      scratch.width = Math.max(scratch.width, Math.ceil(width));
      scratch.height = Math.max(scratch.height, Math.ceil(height));
    }
    const pen = scratch.getContext("2d");
    context.save();
    context.globalCompositeOperation = "source-over";
    context.fillStyle = "#000";
    context.fillRect(x, y, width, height);
    context.globalCompositeOperation = "lighter";
    for (let k = 0; k < 4; k++) {
      if (!channels.on[k] || !channels.weights[k]) continue;
      const colour = colourOf(channels, k);
      const [gain, base] = ranges ? ranges[k] : [1, 0];
      const weight = channels.weights[k] * gain;
      // A colour cannot be brighter than 1: stronger weights are drawn several times.
      const times = Math.max(1, Math.ceil(weight));
      pen.globalCompositeOperation = "source-over";
      pen.drawImage(source, k * side, 0, side, side, 0, 0, width, height);
      pen.globalCompositeOperation = "multiply";
      pen.fillStyle = css(colour, weight / times);
      pen.fillRect(0, 0, width, height);
      for (let i = 0; i < times; i++) context.drawImage(scratch, 0, 0, width, height, x, y, width, height);
      if (base > 0) {
        context.fillStyle = css(colour, base * channels.weights[k]);
        context.fillRect(x, y, width, height);
      }
    }
    context.restore();
  }

  // Per data set and channel: [black, white] in stored grey levels, between which most of its fields lie.
  const common = new Map();
  function commonRange(table, dataset) {
    const key = `${dataset}/${table.fields.n}`;
    if (!common.has(key)) {
      const own = [];
      for (let f = 0; f < table.fields.n; f++) if (table.fields.dataset[f] === dataset) own.push(f);
      const at = (values, share) => values.sort((a, b) => a - b)[Math.floor(share * (values.length - 1))];
      common.clear();
      common.set(key, [0, 1, 2, 3].map((k) => [
        at(own.map((f) => table.fields.black[4 * f + k]), 0.05), at(own.map((f) => table.fields.white[4 * f + k]), 0.95)]));
    }
    return common.get(key);
  }

  // [gain, base] per channel that bring a field's own display range to the common one, or null for scale "field".
  function ranges(table, field, channels) {
    if (channels.scale !== "common") return null;
    return commonRange(table, table.fields.dataset[field]).map(([black, white], k) => {
      const span = Math.max(1, white - black);
      const [low, high] = [table.fields.black[4 * field + k], table.fields.white[4 * field + k]];
      return [(high - low) / span, (low - black) / span];
    });
  }

  // The square (y0, x0, side) in raw pixels that the picture of a cell shows; for cells without one, around its box.
  function crop(table, row) {
    if (table.crop[3 * row + 2] > 0) return [...table.crop.subarray(3 * row, 3 * row + 3)];
    const side = Math.ceil(1.2 * Math.max(table.y1[row] - table.y0[row], table.x1[row] - table.x0[row], 1));
    return [Math.round((table.y0[row] + table.y1[row] - side) / 2), Math.round((table.x0[row] + table.x1[row] - side) / 2),
      side];
  }

  // Outlines of a shard (a promise), the last used ones kept.
  function shapesOf(path) {
    const name = `${path}/shapes`;
    shapes.delete(name);
    shapes.set(name, true);
    if (shapes.size > SHAPES_KEPT) {
      const oldest = shapes.keys().next().value;
      shapes.delete(oldest);
      puzzlecell.forget(oldest);
    }
    return puzzlecell.load(name);
  }

  // Rings of a cell ("cell") or its nucleus ("nucleus") as arrays of x, y, x, y ... in raw pixels. row: in its shard.
  function rings(chunk, kind, row) {
    const { columns, scale } = chunk;
    const found = [];
    for (let ring = columns[`${kind}_rings`][row]; ring < columns[`${kind}_rings`][row + 1]; ring++) {
      const [from, to] = [columns[`${kind}_points`][ring], columns[`${kind}_points`][ring + 1]];
      found.push(Float32Array.from(columns[`${kind}_xy`].subarray(2 * from, 2 * to), (value) => value / scale));
    }
    return found;
  }

  // Rings as a path in canvas pixels: the square (y0, x0, side) of raw pixels fills a square of `size` pixels.
  function path(found, [y0, x0, side], size) {
    const drawn = new Path2D();
    const factor = size / side;
    for (const ring of found) {
      for (let i = 0; i < ring.length; i += 2) {
        const [x, y] = [(ring[i] - x0) * factor, (ring[i + 1] - y0) * factor];
        if (i) drawn.lineTo(x, y);
        else drawn.moveTo(x, y);
      }
      drawn.closePath();
    }
    return drawn;
  }

  // A line that is seen on light and dark: dark below, light above. dash: null for a full line.
  function stroke(context, drawn, width, dash, colour = "#fff") {
    context.setLineDash([]);
    context.lineWidth = width * 2.2;
    context.strokeStyle = "rgb(0 0 0 / .6)";
    context.stroke(drawn);
    context.setLineDash(dash || []);
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.stroke(drawn);
    context.setLineDash([]);
  }

  // Draw the outline of a cell (full line) and of its nucleus (dotted) over its picture (a promise). options: square
  // [y0, x0, side] in raw pixels that the canvas shows (default: that of its picture), nucleus: false to leave it out,
  // wanted: function that tells whether the outline is still to be drawn when it has been read.
  async function outline(canvas, table, row, { square = crop(table, row), nucleus = true, wanted = () => true } = {}) {
    const chunk = await shapesOf(table.shards[table.shard[row]].path);
    if (!wanted()) return;
    const context = canvas.getContext("2d");
    const thick = Math.max(1, canvas.width / 110);
    const number = table.row[row];
    if (nucleus) {
      const inner = path(rings(chunk, "nucleus", number), square, canvas.width);
      stroke(context, inner, thick, [thick * 1.5, thick * 2], "#9cf");
    }
    stroke(context, path(rings(chunk, "cell", number), square, canvas.width), thick, null);
  }

  // Give a canvas the pixels that it needs for a square of `size` CSS pixels, at most `most` (0: any number).
  function fit(canvas, size, most = 0) {
    const wanted = Math.round(size * (window.devicePixelRatio || 1));
    const pixels = most ? Math.min(most, wanted) : wanted;
    if (canvas.width !== pixels || canvas.height !== pixels) canvas.width = canvas.height = pixels;
  }

  // Drawing takes a share of each frame only, so that scrolling stays smooth; what is no longer wanted is left out.
  const SHARE = 7;
  const drawings = [];
  let frame = 0;
  function drawSome() {
    frame = 0;
    const start = performance.now();
    while (drawings.length && performance.now() - start < SHARE) drawings.shift()();
    if (drawings.length) frame = requestAnimationFrame(drawSome);
  }
  function inTurn(wanted, draw) {
    return new Promise((resolve, reject) => {
      drawings.push(() => {
        try {
          if (wanted()) draw();
          resolve();
        } catch (error) {
          reject(error);
        }
      });
      frame ||= requestAnimationFrame(drawSome);
    });
  }

  // A cell without a picture: its box, dashed, until its outline has been read.
  function placeholder(canvas, table, row) {
    const context = canvas.getContext("2d");
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    const [y0, x0, side] = crop(table, row);
    const factor = canvas.width / side;
    const box = new Path2D();
    box.rect((table.x0[row] - x0) * factor, (table.y0[row] - y0) * factor, (table.x1[row] - table.x0[row]) * factor,
      (table.y1[row] - table.y0[row]) * factor);
    stroke(context, box, Math.max(1, canvas.width / 110), [4, 4], "#888");
  }

  // Draw a cell on a canvas, channels mixed. options: size (CSS pixels of the square; default: the canvas as it is),
  // outline: false, "cell" or "both". Returns a promise of "picture", "outline" (it has none, outside the budget) or
  // "replaced" (the canvas was given another cell). Rejects with the name of the file if it cannot be read; the canvas
  // then shows the cell's box.
  async function cell(canvas, table, row, channels = puzzlecell.channels, options = {}) {
    const token = { row };
    const before = wishes.get(canvas);
    wishes.set(canvas, token);
    const wanted = () => wishes.get(canvas) === token;
    const key = table.picture[row];
    // More pixels than the picture has are worth their time only for outlines.
    if (options.size) fit(canvas, options.size, key && !options.outline ? puzzlecell.run.pictures.tile : 0);
    if (!key) {
      if (!before || before.row !== row) placeholder(canvas, table, row);
      await nextTurn();
      if (!wanted()) return "replaced";
      const outlined = document.createElement("canvas");
      outlined.width = outlined.height = canvas.width;
      await outline(outlined, table, row, { wanted });
      if (!wanted()) return "replaced";
      const context = canvas.getContext("2d");
      context.fillStyle = "#000";
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.drawImage(outlined, 0, 0);
      return "outline";
    }
    const folder = `data/${table.shards[table.shard[row]].path}`;
    if (!before || before.row !== row) {
      const context = canvas.getContext("2d");
      context.fillStyle = "#000";
      context.fillRect(0, 0, canvas.width, canvas.height);
    }
    let strip = null;
    try {
      strip = puzzlecell.sheets.kept(folder, key) || await puzzlecell.sheets.strip(folder, key, wanted);
    } catch (error) {
      if (wanted()) placeholder(canvas, table, row);
      throw error;
    }
    if (!strip) return "replaced";
    await inTurn(wanted, () => mix(canvas.getContext("2d"), strip, { side: puzzlecell.run.pictures.tile,
      to: [0, 0, canvas.width, canvas.height], channels, ranges: ranges(table, table.field[row], channels) }));
    if (!wanted()) return "replaced";
    if (options.outline) await outline(canvas, table, row, { wanted, nucleus: options.outline !== "cell" });
    return wanted() ? "picture" : "replaced";
  }

  // Leave time to scroll past: outlines of whole shards are read only for what stays on the screen.
  const nextTurn = () => new Promise((resolve) => setTimeout(resolve, 120));

  // Draw the picture of a field on a canvas, stretched to the canvas (give it the field's proportions). dataset, shard:
  // names; index: number of the field in its shard. Returns a promise of true, or of false if the canvas was given
  // something else meanwhile.
  async function field(canvas, dataset, shard, index, channels = puzzlecell.channels) {
    const token = { index };
    wishes.set(canvas, token);
    const wanted = () => wishes.get(canvas) === token;
    const name = `field-${String(index).padStart(4, "0")}.webp`;
    const image = await puzzlecell.sheets.image(`data/${dataset}/${shard}/${name}`, wanted);
    if (!image || !wanted()) return false;
    const table = puzzlecell.table.current;
    const found = table && table.shards.find((one) => one.path === `${dataset}/${shard}`);
    const known = found && found.state === "there" ? ranges(table, found.firstField + index, channels) : null;
    mix(canvas.getContext("2d"), image, { side: puzzlecell.run.pictures.field_tile,
      to: [0, 0, canvas.width, canvas.height], channels, ranges: known });
    return true;
  }

  // The canvas shows something else from now on: what is still being read for it is not drawn.
  const release = (canvas) => wishes.delete(canvas);

  puzzlecell.pictures = { cell, field, outline, crop, rings, path, stroke, shapes: shapesOf, mix, ranges, fit, release };
})();
