"use strict";
// Elements. Texts are always set as text, never as HTML: IDs and class names come from users' tables.
(() => {
  const SVG = "http://www.w3.org/2000/svg";

  // An element: h("a", { href: "#/", title: "...", onclick: f }, "text", child, [children]). Null children are left out.
  function build(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (name === "value" || name === "checked" || name === "disabled" || name === "hidden") element[name] = value;
      else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
    }
    for (const child of children.flat(Infinity)) {
      if (child !== null && child !== undefined) element.append(child);
    }
    return element;
  }

  const h = (tag, attributes, ...children) => build(document.createElement(tag), attributes, children);
  const svg = (tag, attributes, ...children) => build(document.createElementNS(SVG, tag), attributes, children);

  // A number as text with what it is as a tooltip: number(0.958, "mean average precision", 3).
  const number = (value, meaning, digits = 3) =>
    h("span", { class: "number", title: meaning }, value === null || Number.isNaN(value) ? "–" : value.toFixed(digits));

  puzzlecell.dom = { h, svg, number };
})();
