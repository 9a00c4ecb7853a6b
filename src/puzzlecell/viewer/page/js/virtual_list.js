"use strict";
// A long list of which only the rows in sight exist in the document.
(() => {
  const { h } = puzzlecell.dom;
  const AROUND = 8; // rows above and below those in sight

  // height: pixels of a row; label: name of the list; row(index): an element with a button, made when it comes into
  // sight. Returns {element, show(count), refresh(), reveal(index), focus(index)}. The keys up, down, Home and End move
  // the focus.
  puzzlecell.virtualList = ({ height, label, row }) => {
    const inner = h("div", { class: "virtual-inner" });
    const element = h("div", { class: "virtual-list", role: "group", "aria-label": label }, inner);
    const made = new Map();
    let count = 0;
    let frame = 0;

    function draw() {
      frame = 0;
      const first = Math.max(0, Math.floor(element.scrollTop / height) - AROUND);
      const end = Math.min(count, Math.ceil((element.scrollTop + element.clientHeight) / height) + AROUND);
      for (const [index, line] of made) {
        if (index >= first && index < end) continue;
        line.remove();
        made.delete(index);
      }
      for (let index = first; index < end; index++) {
        if (made.has(index)) continue;
        const line = row(index);
        line.dataset.index = index;
        line.style.top = `${index * height}px`;
        line.style.height = `${height}px`;
        made.set(index, line);
        inner.append(line);
      }
    }

    const later = () => { frame ||= requestAnimationFrame(draw); };

    function refresh() {
      for (const line of made.values()) line.remove();
      made.clear();
      draw();
    }

    function show(next) {
      count = next;
      inner.style.height = `${count * height}px`;
      refresh();
    }

    function reveal(index) {
      const top = index * height;
      if (top < element.scrollTop) element.scrollTop = top;
      else if (top + height > element.scrollTop + element.clientHeight) {
        element.scrollTop = top + height - element.clientHeight;
      }
      draw();
    }

    // Bring a row into sight and focus its first button.
    function focus(index) {
      reveal(index);
      made.get(index).querySelector("button").focus();
    }

    element.addEventListener("keydown", (event) => {
      const at = event.target.closest("[data-index]");
      const next = at && { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
      if (!next) return;
      event.preventDefault();
      focus(Math.min(Math.max(Number(at.dataset.index) + next, 0), count - 1));
    });
    element.addEventListener("scroll", later);
    new ResizeObserver(later).observe(element);

    return { element, show, refresh, reveal, focus };
  };
})();
