// Checks of a page that is shown, as seen by a person: asked by tests/browser.
(() => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });

  // [red, green, blue, opacity] of any colour of CSS.
  function parts(colour) {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  }

  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3]));

  // Relative luminance and contrast as WCAG 2 defines them.
  function luminance(colour) {
    const [r, g, b] = colour.slice(0, 3).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }
  function contrast(one, other) {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  }

  function background(element) {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (style.backgroundImage !== "none") return null;
      const colour = parts(style.backgroundColor);
      if (colour[3] > 0) layers.push(colour);
      if (colour[3] === 1) break;
    }
    const page = matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
    return layers.reverse().reduce((under, layer) => over(layer, under), page);
  }

  const shown = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true });

  // Texts with too little contrast: 4.5, or 3 for large ones and those of controls that are disabled are not counted.
  function faint() {
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement;
      const text = node.data.trim();
      if (!text || !shown(element) || element.closest("[disabled], script, noscript, svg, option")) continue;
      // On pictures.
      if (element.closest("[data-on-picture]")) continue;
      const style = getComputedStyle(element);
      const back = background(element);
      if (!back) continue;
      const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
      const ratio = contrast(over(parts(style.color), back), back);
      if (ratio < (large ? 3 : 4.5)) found.push(`${ratio.toFixed(2)}: ${text.slice(0, 40)} (${element.tagName}.${element.className})`);
    }
    return [...new Set(found)];
  }

  // Elements that reach beyond the page's width.
  function wide() {
    const page = document.documentElement;
    if (page.scrollWidth <= page.clientWidth) return [];
    return [...document.querySelectorAll("body *")].filter((element) => shown(element)
      && element.getBoundingClientRect().right > page.clientWidth + 1).slice(0, 5).map((element) => element.outerHTML.slice(0, 120));
  }

  // Numbers that do not say what they are, and controls without a name.
  function nameless() {
    const numbers = [...document.querySelectorAll(".number")].filter((element) => shown(element)
      && !element.closest("[title]")?.title);
    const named = (element) => element.labels?.length || element.title || element.getAttribute("aria-label")
      || element.getAttribute("aria-labelledby") || element.textContent.trim() || element.placeholder;
    const controls = [...document.querySelectorAll("button, select, input, textarea, a[href]")]
      .filter((element) => shown(element) && !named(element));
    return [...numbers, ...controls].map((element) => element.outerHTML.slice(0, 160));
  }

  // The focused element: what it is, whether it can be seen, and whether its focus can be.
  function focused() {
    const element = document.activeElement;
    if (!element || element === document.body) return null;
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
    return {
      what: `${element.tagName}#${element.id}.${element.className} ${(element.textContent || element.title || "").slice(0, 30)}`,
      seen: shown(element) && box.width > 0 && box.height > 0,
      ring: ring || style.boxShadow !== "none",
      top: box.top,
    };
  }

  window.pageChecks = { faint, wide, nameless, focused };
})();
