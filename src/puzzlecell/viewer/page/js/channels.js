"use strict";
// Which channels are shown and how strongly. Kept in the address (key "ch", such as "1_1_0.5_-1_common": weights of red,
// green, blue and yellow, switched-off ones negative) and in the browser's storage.
(() => {
  const NAMES = ["microtubules (red)", "protein (green)", "nucleus (blue)", "endoplasmic reticulum (yellow)"];
  const SHORT = ["red", "green", "blue", "yellow"];
  const COLOURS = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]];
  const STORED = "puzzlecell.channels";
  const HIGHEST = 4;
  const PLAIN = "1_1_1_1";

  const state = { weights: [1, 1, 1, 1], on: [true, true, true, true], scale: "field" };

  // Storage may be switched off for pages from disk; the channels are then only in the address.
  function remember(value) {
    try {
      localStorage.setItem(STORED, value);
    } catch { /* Kept in the address. */ }
  }
  function remembered() {
    try {
      return localStorage.getItem(STORED);
    } catch {
      return null;
    }
  }

  function text() {
    const weights = state.weights.map((weight, k) => (state.on[k] ? "" : "-") + Number(weight.toFixed(2)));
    return weights.join("_") + (state.scale === "common" ? "_common" : "");
  }

  // Take over the channels of an address (its key "ch"), or the last ones used. Others than such texts are left out.
  function read(given) {
    const parts = (given || remembered() || PLAIN).split("_");
    const weights = parts.slice(0, 4).map((part) => Math.abs(Number(part)));
    if (weights.length !== 4 || !weights.every((weight) => weight <= HIGHEST)) return;
    state.weights = weights;
    state.on = parts.slice(0, 4).map((part) => !part.startsWith("-"));
    state.scale = parts[4] === "common" ? "common" : "field";
  }

  function save() {
    remember(text());
    const { path, state: address } = puzzlecell.route.parse();
    puzzlecell.route.go(path, { ...address, ch: text() }, { replace: true });
  }

  puzzlecell.channels = Object.assign(state, { NAMES, SHORT, COLOURS, HIGHEST, PLAIN, text, read, save });
})();
