"use strict";
// What the address of the page of a field holds, so that a link leads back to exactly this view.
(() => {
  const OPACITY = 0.6;
  const flag = (value, usual) => (value === undefined ? usual : value === "1");

  // A number 0 ... below - 1, or null.
  function integer(value, below = Infinity) {
    const found = value === undefined || value === "" ? NaN : Number(value);
    return Number.isInteger(found) && found >= 0 && found < below ? found : null;
  }

  function place(state) {
    const [zoom, x, y] = [state.z, state.x, state.y].map(Number);
    return zoom > 0 && Number.isFinite(x + y) ? { zoom, x, y } : null;
  }

  // Keys of the address as values: class (number or null), colour (mode of the outlines), outlines, labels, nuclei,
  // cam, members (shown or not), opacity of the map, view ({zoom, x, y} or null for the whole field), mark ([x, y] or
  // null).
  function read(state) {
    const mark = (state.mark || "").split(",").map(Number);
    return {
      class: integer(state.class, puzzlecell.run.classes.length), colour: state.colour || "top",
      outlines: flag(state.outlines, true), labels: flag(state.labels, true), nuclei: flag(state.nuclei, true),
      cam: flag(state.cam, false), members: flag(state.members, false),
      opacity: Math.min(Math.max(Number(state.opacity) || OPACITY, 0.1), 1),
      view: place(state), mark: mark.length === 2 && mark.every(Number.isFinite) ? mark : null,
    };
  }

  // The state of the address; cell: its number, or null.
  function written(field, cell, see) {
    const { view } = see;
    const zoomed = view !== null && view.zoom !== null;
    return {
      ds: field.dataset, sh: field.shard, id: field.id, cell, class: see.class,
      colour: see.colour === "top" ? null : see.colour,
      z: zoomed ? view.zoom : null, x: zoomed ? view.x : null, y: zoomed ? view.y : null,
      outlines: see.outlines ? null : 0, labels: see.labels ? null : 0, nuclei: see.nuclei ? null : 0,
      cam: see.cam ? 1 : null, opacity: see.opacity === OPACITY ? null : see.opacity,
      members: see.members ? 1 : null, mark: see.mark ? see.mark.join(",") : null,
    };
  }

  puzzlecell.fieldAddress = { read, written, integer };
})();
