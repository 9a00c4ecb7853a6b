"use strict";
// Keys of a page, and the list of them that "?" shows.
(() => {
  const { h } = puzzlecell.dom;
  const sets = new Set();

  const typing = (target) => target.closest && target.closest("input:not([type=checkbox]):not([type=radio]), select, textarea");

  // Keys of a page: bind([{ keys: ["n"], what: "next field", act(event) {...} }, ...]) returns a function that unbinds
  // them. Keys are names of KeyboardEvent.key; they do nothing while a text is typed, or with ctrl, alt or meta.
  // { keys, what } without act only tells of keys handled elsewhere. act may return false: the key keeps its usual meaning.
  function bind(list) {
    sets.add(list);
    return () => sets.delete(list);
  }

  const NAMES = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", " ": "space" };

  function help() {
    if (document.querySelector("dialog.keys")) return;
    const rows = [...sets].flat().concat([{ keys: ["?"], what: "these keys" }, { keys: ["Escape"], what: "close" }])
      .map(({ keys, what }) => h("tr", {},
        h("td", {}, keys.map((key) => h("kbd", {}, NAMES[key] || key))), h("td", {}, what)));
    const dialog = h("dialog", { class: "keys", "aria-label": "Keys" }, h("h2", {}, "Keys"), h("table", {}, rows),
      h("form", { method: "dialog" }, h("button", { autofocus: "" }, "Close")));
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || typing(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "?") {
      help();
      event.preventDefault();
      return;
    }
    for (const entry of [...sets].flat()) {
      if (entry.act && entry.keys.includes(event.key)) {
        if (entry.act(event) !== false) event.preventDefault();
        return;
      }
    }
  });

  puzzlecell.keys = { bind, help };
})();
