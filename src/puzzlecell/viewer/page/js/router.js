"use strict";
// Which page is shown: the part of the address after #, such as #/gallery?class=3&order=confident. It holds everything
// that is needed to come back to exactly this view.
(() => {
  const { h } = puzzlecell.dom;
  let close = null;

  function parse() {
    const [path, query] = location.hash.replace(/^#/, "").split("?");
    return { path: path || "/", state: Object.fromEntries(new URLSearchParams(query || "")) };
  }

  // Address of a page with a state; null and "" are left out.
  function link(path, state = {}) {
    const kept = Object.entries(state).filter(([, value]) => value !== null && value !== undefined && value !== "");
    const query = new URLSearchParams(kept.map(([key, value]) => [key, String(value)])).toString();
    return `#${path}${query ? `?${query}` : ""}`;
  }

  // Go to another page or state. replace: without a new entry in the browser's history, for sliders and the like; the
  // page is not made again.
  function go(path, state, { replace = false } = {}) {
    if (replace) history.replaceState(null, "", link(path, state));
    else location.hash = link(path, state);
  }

  async function show() {
    const { path, state } = parse();
    const page = puzzlecell.pages.find((candidate) => candidate.path === path) || puzzlecell.pages[0];
    const main = document.getElementById("page");
    if (close) close();
    close = null;
    main.replaceChildren();
    main.dataset.page = page.name;
    document.title = `${page.title} – puzzlecell`;
    for (const tab of document.querySelectorAll("#top nav a")) {
      if (tab.dataset.path === page.path) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    }
    try {
      // A page returns a function that is called when it is left, or nothing.
      close = (await page.show(main, state)) || null;
      main.dataset.ready = "yes";
    } catch (error) {
      console.error(error);
      main.append(h("p", { class: "problem", role: "alert" }, `This page cannot be shown: ${error.message}`));
    }
  }

  puzzlecell.route = { link, go, parse };

  function start() {
    const tabs = puzzlecell.pages.filter((page) => page.tab)
      .map((page) => h("a", { href: link(page.path), "data-path": page.path }, page.title));
    document.getElementById("top").append(h("strong", {}, "puzzlecell"), h("nav", { "aria-label": "Pages" }, tabs));
    addEventListener("hashchange", show);
    show();
  }
  start();
})();
