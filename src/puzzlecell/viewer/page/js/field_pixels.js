"use strict";
// The pictures below the outlines: that of the field, or those of its cells, and class activation maps.
(() => {
  const CAM_COLOUR = "#ff7a1a";
  const digits = (value, count) => String(value).padStart(count, "0");

  const canvasOf = (width, height) => Object.assign(document.createElement("canvas"), { width, height });

  // Pictures to draw (a promise): {pixels: [{canvas, x, y, width, height}], kind: "field", "cells" or "none"}.
  async function pixels(field, channels) {
    const { served, pictures } = puzzlecell.run;
    // The common display range of a data set is known when all its fields are.
    const table = channels.scale === "common" ? await puzzlecell.table.load() : null;
    if (served || field.chunk.columns.field_picture[field.index]) {
      const { height, width } = puzzlecell.fields.size(field);
      const canvas = canvasOf(pictures.field_tile, pictures.field_tile);
      await puzzlecell.pictures.field(canvas, field.dataset, field.shard, field.index, channels);
      return { kind: "field", pixels: [{ canvas, x: 0, y: 0, width, height }] };
    }
    const { picture, crop } = field.chunk.columns;
    const rows = puzzlecell.fields.rows(field).filter((row) => picture[row]);
    const number = table && puzzlecell.table.findField(field.dataset, field.id);
    const ranges = table && puzzlecell.pictures.ranges(table, number, channels);
    const drawn = await Promise.all(rows.map(async (row) => {
      const strip = await puzzlecell.sheets.strip(`data/${field.dataset}/${field.shard}`, picture[row], () => true);
      const canvas = canvasOf(pictures.tile, pictures.tile);
      puzzlecell.pictures.mix(canvas.getContext("2d"), strip,
        { side: pictures.tile, to: [0, 0, pictures.tile, pictures.tile], channels, ranges });
      const [y, x, side] = crop.subarray(3 * row, 3 * row + 3);
      return { canvas, x, y, width: side, height: side };
    }));
    return { kind: rows.length ? "cells" : "none", pixels: drawn };
  }

  const hasCam = (field, index) => {
    const { cams } = field.chunk.columns;
    return cams !== undefined && (cams[field.index] & (1 << index)) !== 0;
  };

  // Class activation map of a class as a canvas to add to the picture (a promise).
  async function cam(field, index) {
    const name = `cam-${digits(field.index, 4)}-${digits(index, 2)}.webp`;
    const image = await puzzlecell.sheets.image(`data/${field.dataset}/${field.shard}/${name}`);
    const canvas = canvasOf(image.naturalWidth, image.naturalHeight);
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    context.globalCompositeOperation = "multiply";
    context.fillStyle = CAM_COLOUR;
    context.fillRect(0, 0, canvas.width, canvas.height);
    return canvas;
  }

  puzzlecell.fieldPixels = { pixels, hasCam, cam };
})();
