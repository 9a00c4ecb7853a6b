"use strict";
// Moving between the cells of a field with the arrow keys.
(() => {
  const DIRECTIONS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

  // The cell that lies nearest in the direction of an arrow key; null if there is none. cells: [{row, centre: [y, x]}].
  // Distance to the side counts twice, so that the cell ahead is preferred.
  function towards(cells, from, key) {
    const [dy, dx] = DIRECTIONS[key];
    let best = null;
    let least = Infinity;
    for (const { row, centre } of cells) {
      const [y, x] = [centre[0] - from[0], centre[1] - from[1]];
      const ahead = y * dy + x * dx;
      const aside = Math.abs(y * dx) + Math.abs(x * dy);
      if (ahead > 0 && aside <= 2 * ahead && ahead + 2 * aside < least) [best, least] = [row, ahead + 2 * aside];
    }
    return best;
  }

  // The cell nearest to a point.
  function nearest(cells, [y, x]) {
    const distance = ({ centre }) => Math.hypot(centre[0] - y, centre[1] - x);
    return cells.length ? cells.reduce((one, other) => (distance(other) < distance(one) ? other : one)).row : null;
  }

  // Keys of the page, as puzzlecell.keys.bind() takes them. act: {arrow(key), pan([y, x]), step(by), cell(by), none(),
  // zoom(factor), fit(), flip(name)}.
  const list = (act) => [
    {
      keys: Object.keys(DIRECTIONS), what: "next cell in this direction; with Shift: move the picture",
      act: ({ key, shiftKey }) => (shiftKey ? act.pan(DIRECTIONS[key]) : act.arrow(key)),
    },
    { keys: ["."], what: "next cell by number", act: () => act.cell(1) },
    { keys: [","], what: "previous cell by number", act: () => act.cell(-1) },
    { keys: ["Escape"], what: "no cell", act: () => act.none() },
    { keys: ["n"], what: "next field", act: () => act.step(1) },
    { keys: ["p"], what: "previous field", act: () => act.step(-1) },
    { keys: ["+", "="], what: "zoom in (also the wheel, or press twice)", act: () => act.zoom(1.4) },
    { keys: ["-"], what: "zoom out", act: () => act.zoom(1 / 1.4) },
    { keys: ["0"], what: "whole field", act: () => act.fit() },
    { keys: ["o"], what: "outlines on or off", act: () => act.flip("outlines") },
    { keys: ["l"], what: "labels on or off", act: () => act.flip("labels") },
    { keys: ["u"], what: "nuclei on or off", act: () => act.flip("nuclei") },
    { keys: ["a"], what: "activation map on or off", act: () => act.flip("cam") },
  ];

  puzzlecell.fieldKeys = { towards, nearest, list };
})();
