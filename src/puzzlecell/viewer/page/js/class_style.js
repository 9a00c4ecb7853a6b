"use strict";
// How a class is drawn over a picture: a colour, a line pattern, and its number, so that it can be told without colour.
(() => {
  // Colours of classes are those of exported files: tints and shades of this number of hues (class_colours.py).
  const HUES = 8;
  // Patterns in pixels of the screen: one for each round through the hues. Long dashes mean "uncertain", spaced dots that
  // there is no class.
  const PATTERNS = [[], [9, 3, 2, 3], [2, 3], [5, 2, 1, 2, 1, 2]];
  const UNCERTAIN = [7, 6];
  const RIGHT = { colour: "#56b4e9", dash: [], label: "✓" };
  const WRONG = { colour: "#ff7f50", dash: [9, 3, 2, 3], label: "✗" };
  const NOTHING = { colour: "#a8adb8", dash: [1, 5], label: "–" };
  const UNKNOWN = { ...NOTHING, label: "?" };

  function ofClass(index) {
    return {
      colour: puzzlecell.run.colours[index],
      dash: PATTERNS[Math.floor(index / HUES) % PATTERNS.length],
      label: String(index),
    };
  }

  // From blue to yellow, by rising lightness; the darkest is still seen on black.
  const RAMP = [[112, 122, 204], [72, 154, 190], [66, 190, 136], [164, 219, 66], [253, 231, 37]];

  // Colour of a probability in [0, 1].
  function ofProbability(probability) {
    const place = Math.min(Math.max(probability, 0), 1) * (RAMP.length - 1);
    const low = Math.min(Math.floor(place), RAMP.length - 2);
    const mixed = RAMP[low].map((value, i) => Math.round(value + (place - low) * (RAMP[low + 1][i] - value)));
    return `rgb(${mixed.join(",")})`;
  }

  // A short line drawn as the class's outlines are, for lists.
  function swatch(index) {
    const { colour, dash } = ofClass(index);
    return puzzlecell.dom.svg("svg", { class: "class-line", width: 26, height: 12, "aria-hidden": "true" },
      puzzlecell.dom.svg("rect", { width: 26, height: 12, rx: 2, fill: "#16181d" }),
      puzzlecell.dom.svg("line", {
        x1: 2, x2: 24, y1: 6, y2: 6, stroke: colour, "stroke-width": 2.5, "stroke-dasharray": dash.join(" ") || null,
      }));
  }

  puzzlecell.classStyle = { ofClass, ofProbability, swatch, UNCERTAIN, RIGHT, WRONG, NOTHING, UNKNOWN };
})();
