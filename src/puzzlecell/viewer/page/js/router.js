"use strict";
// Which page is shown: the part of the address after #, such as #/gallery?class=3&order=confident. It holds everything
// that is needed to come back to exactly this view.
(() => {
  const { h } = puzzlecell.dom;
  let close = null;
  let turn = 0;
  // An address that is still to be written: browsers allow few changes a second (sliders make many).
  let pending = null;
  let timer = null;
  const DELAY = 200;
  const last = new Map();

  function parse() {
    const [path, query] = (pending || location.hash).replace(/^#/, "").split(/\?(.*)/s);
    return { path: path || "/", state: Object.fromEntries(new URLSearchParams(query || "")) };
  }

  // Address of a page with a state; null and "" are left out. The channels go along.
  function link(path, state = {}) {
    const channels = puzzlecell.channels.text();
    const all = channels === puzzlecell.channels.PLAIN ? { ...state, ch: null } : { ...state, ch: channels };
    const kept = Object.entries(all).filter(([, value]) => value !== null && value !== undefined && value !== "");
    const query = new URLSearchParams(kept.map(([key, value]) => [key, String(value)])).toString();
    return `#${path}${query ? `?${query}` : ""}`;
  }

  function write() {
    clearTimeout(timer);
    timer = null;
    if (pending !== null) history.replaceState(null, "", pending);
    pending = null;
  }

  // Go to another page or state. replace: without a new entry in the browser's history, for sliders and the like; the
  // page is not made again. now: written at once, such as before a link is followed.
  function go(path, state, { replace = false, now = false } = {}) {
    if (replace) {
      last.set(path, state);
      pending = link(path, state);
      timer ??= setTimeout(write, DELAY);
      if (now) write();
    } else {
      write();
      location.hash = link(path, state);
    }
  }

  function message(error) {
    return h("p", { class: "problem panel", role: "alert" }, `This page cannot be shown: ${error.message}`);
  }

  async function show() {
    pending = null;
    const { path, state } = parse();
    const page = puzzlecell.pages.find((candidate) => candidate.path === path) || puzzlecell.pages[0];
    const own = ++turn;
    const main = document.getElementById("page");
    if (close) close();
    close = null;
    last.set(page.path, state);
    puzzlecell.channels.read(state.ch);
    // A new element each time: a page that is left while it loads goes on in an element that is no longer shown.
    const place = h("main", { id: "page", tabindex: "-1", "data-page": page.name });
    main.replaceWith(place);
    document.title = `${page.title} – puzzlecell`;
    for (const tab of document.querySelectorAll("#top nav a")) {
      if (tab.dataset.path === page.path) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    }
    try {
      if (!puzzlecell.run) {
        throw puzzlecell.problem || new Error("data/run.js cannot be read. Copy the folder of the view again, or remake "
          + 'it with "snakemake view".');
      }
      // A page returns a function that is called when it is left, or nothing.
      const left = (await page.show(place, state)) || null;
      if (own === turn) close = left;
      else if (left) left();
      place.dataset.ready = "yes";
    } catch (error) {
      console.error(error);
      place.append(message(error));
      place.dataset.ready = "failed";
    }
  }

  // Tabs lead to the last state of their page.
  function tab(page) {
    return h("a", { href: link(page.path), "data-path": page.path, onclick: (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      go(page.path, last.get(page.path) || {});
    } }, page.title);
  }

  function start() {
    const shown = puzzlecell.pages.filter((page) => page.tab).map(tab);
    document.getElementById("top").append(h("strong", { class: "brand" }, "puzzlecell"),
      h("nav", { "aria-label": "Pages" }, shown), h("span", { class: "grow" }),
      h("button", { class: "small", title: "Keys of this page", onclick: () => puzzlecell.keys.help() },
        "Keys ", h("kbd", {}, "?")));
    addEventListener("hashchange", show);
    addEventListener("pagehide", write);
    // Before a link is followed, so that the way back leads to what was shown.
    addEventListener("click", write, { capture: true });
    show();
  }

  puzzlecell.route = { link, go, parse, start, last };
})();
