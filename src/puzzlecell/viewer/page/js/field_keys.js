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

  // Listen to keys: acts {key: function}, arrow(key), pan([y, x]) for Shift and an arrow. Returns a function that stops it.
  function listen(acts, { arrow, pan }) {
    function onkey(event) {
      const { target, key } = event;
      const typed = target.matches("select, textarea, input:not([type=checkbox])");
      if (typed || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
      if (Object.hasOwn(acts, key)) acts[key]();
      else if (!Object.hasOwn(DIRECTIONS, key)) return;
      else if (event.shiftKey) pan(DIRECTIONS[key]);
      else arrow(key);
      event.preventDefault();
    }
    document.addEventListener("keydown", onkey);
    return () => document.removeEventListener("keydown", onkey);
  }

  puzzlecell.fieldKeys = { towards, nearest, listen };
})();
