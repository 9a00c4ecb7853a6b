"use strict";
// A scrolling list of equal tiles of which only those in sight exist: from one to many millions.
(() => {
  const { h } = puzzlecell.dom;
  // Browsers limit the height of an element (Firefox at about 17 million pixels). Longer lists scroll by proportion.
  const HIGHEST = 8_000_000;
  // The layer's tiles are placed relative to a row that is a multiple of this, so that a tile keeps its place.
  const BLOCK = 256;
  let lists = 0;

  // make() -> an element; fill(element, index) shows an item in it, clear(element) is called when it shows none;
  // onactive(index), onopen(index): the item chosen by keys, and opened with Enter; onscroll(first): first item in sight.
  // Returns { element, set(count, width, height), show(index), refresh(), active(), activate(index), first(), stop() }.
  function tiles({ label, make, fill, clear, onactive, onopen, onscroll }) {
    const name = `tiles-${lists++}`;
    const layer = h("div", { class: "layer" });
    const spacer = h("div", { "aria-hidden": "true" });
    const element = h("div", { class: "gallery-list", role: "listbox", tabindex: 0, "aria-label": label }, layer, spacer);
    const shown = new Map();
    const free = [];
    let [count, width, height, columns, view] = [0, 100, 100, 1, 0];
    let [position, lastTop, base, active, frame, settle] = [0, 0, -1, -1, 0, 0];

    const rows = () => Math.ceil(count / columns);
    const end = () => Math.max(0, rows() * height - view);
    const range = () => Math.max(0, Math.min(rows() * height, HIGHEST) - view);
    const first = () => Math.min(Math.max(0, count - 1), Math.floor(position / height + 0.3) * columns);

    function take() {
      const tile = free.pop() || make();
      if (!tile.isConnected) layer.append(tile);
      tile.hidden = false;
      return tile;
    }

    function place(tile, index) {
      const [row, column] = [Math.floor(index / columns), index % columns];
      tile.style.transform = `translate(${column * width}px, ${(row - base) * height}px)`;
    }

    function release(index) {
      const tile = shown.get(index);
      shown.delete(index);
      clear(tile);
      tile.hidden = true;
      tile.removeAttribute("id");
      tile.setAttribute("aria-selected", "false");
      free.push(tile);
    }

    function mark(tile, index) {
      tile.setAttribute("aria-selected", String(index === active));
      if (index === active) element.setAttribute("aria-activedescendant", tile.id);
    }

    function render() {
      frame = 0;
      const top = Math.floor(position / height);
      const block = Math.floor(top / BLOCK) * BLOCK;
      if (block !== base) {
        base = block;
        for (const [index, tile] of shown) place(tile, index);
      }
      layer.style.transform = `translateY(${base * height - position}px)`;
      const from = top * columns;
      const to = Math.min(count, (top + Math.ceil(view / height) + 1) * columns);
      for (const index of shown.keys()) if (index < from || index >= to) release(index);
      for (let index = from; index < to; index++) {
        if (shown.has(index)) continue;
        const tile = take();
        tile.id = `${name}-${index}`;
        tile.setAttribute("aria-posinset", index + 1);
        tile.setAttribute("aria-setsize", count);
        tile.style.width = `${width}px`;
        tile.style.height = `${height}px`;
        shown.set(index, tile);
        place(tile, index);
        mark(tile, index);
        fill(tile, index);
      }
      if (!shown.has(active)) element.removeAttribute("aria-activedescendant");
      if (onscroll) onscroll(first());
    }

    function soon() {
      frame ||= requestAnimationFrame(render);
    }

    // Put the scroll bar where the position is.
    function align() {
      const top = end() ? position / end() * range() : 0;
      element.scrollTop = top;
      lastTop = element.scrollTop;
    }

    element.addEventListener("scroll", () => {
      const top = element.scrollTop;
      const moved = top - lastTop;
      if (top === lastTop) return;
      lastTop = top;
      if (rows() * height <= HIGHEST) position = top;
      // Small steps (wheel, keys) move by pixels, large ones (the bar is dragged) by proportion.
      else if (Math.abs(moved) < 2 * view && top > 0 && top < range()) position += moved;
      else position = top / range() * end();
      position = Math.min(Math.max(0, position), end());
      soon();
      clearTimeout(settle);
      if (rows() * height > HIGHEST) settle = setTimeout(align, 150);
    }, { passive: true });

    function measure() {
      view = element.clientHeight;
      columns = Math.max(1, Math.floor(element.clientWidth / width));
      spacer.style.height = `${Math.min(rows() * height, HIGHEST)}px`;
    }

    // Everything anew, with the item `index` in the first row.
    function again(index) {
      for (const old of [...shown.keys()]) release(old);
      measure();
      base = -1;
      position = Math.min(Math.floor(index / columns) * height, end());
      align();
      soon();
    }

    // Move so that an item is in sight.
    function show(index) {
      const y = Math.floor(index / columns) * height;
      if (y < position) position = y;
      else if (y + height > position + view) position = Math.min(end(), y + height - view);
      else return;
      align();
      soon();
    }

    function activate(index) {
      const old = active;
      active = index;
      for (const one of [old, active]) if (shown.has(one)) mark(shown.get(one), one);
      if (active >= 0) show(active);
      if (active >= 0) onactive(active);
    }

    const MOVES = {
      ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: () => -columns, ArrowDown: () => columns,
      PageUp: () => -columns * Math.max(1, Math.floor(view / height)),
      PageDown: () => columns * Math.max(1, Math.floor(view / height)),
      Home: () => -Infinity, End: () => Infinity,
    };
    element.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || !count) return;
      if (event.key === "Enter" && active >= 0) onopen(active);
      else if (MOVES[event.key]) {
        const step = MOVES[event.key]();
        const next = active < 0 && Number.isFinite(step) ? first() : active + step;
        activate(Math.min(Math.max(0, next), count - 1));
      } else return;
      event.preventDefault();
    });

    const observer = new ResizeObserver(() => {
      if (element.clientHeight !== view || Math.floor(element.clientWidth / width) !== columns) again(first());
    });
    observer.observe(element);

    return {
      element, show, activate, first,
      set(items, tileWidth, tileHeight, index = first()) {
        [count, width, height] = [items, tileWidth, tileHeight];
        if (active >= count) active = -1;
        again(Math.min(index, Math.max(0, count - 1)));
      },
      // Fill the tiles in sight again, such as with other channels.
      refresh() {
        for (const [index, tile] of shown) fill(tile, index);
      },
      active: () => active,
      stop() {
        observer.disconnect();
        clearTimeout(settle);
        cancelAnimationFrame(frame);
        for (const tile of shown.values()) clear(tile);
      },
    };
  }

  puzzlecell.tiles = tiles;
})();
