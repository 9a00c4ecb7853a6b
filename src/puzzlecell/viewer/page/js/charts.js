"use strict";
// Charts as SVG. Series differ in colour (Okabe and Ito), in dashes and in markers. What a number is, a tooltip says;
// what leads somewhere is a link, which the keyboard reaches.
(() => {
  const { h, svg } = puzzlecell.dom;
  const STYLES = 8;

  const count = (value) => (value === null || value === undefined ? "–" : value.toLocaleString("en-US"));
  const fixed = (value, digits = 3) => (value === null || value === undefined ? "–" : value.toFixed(digits));
  // Up to four significant digits, without trailing zeros.
  const short = (value) => String(Number(value.toPrecision(4)));
  const tip = (text) => svg("title", {}, text);
  const classed = (index) => `series s${index % STYLES}`;

  function frame(width, height, name, ...children) {
    return svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": name },
      children);
  }

  // Round steps that divide 0..top or low..high.
  function ticks(low, high, about = 5) {
    const rough = (high - low) / about || 1;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) * power;
    const found = [];
    for (let value = Math.ceil(low / step - 1e-9) * step + 0; value <= high + step * 1e-6; value += step) found.push(value);
    return found;
  }

  const shape = {
    circle: (x, y, r) => svg("circle", { cx: x, cy: y, r }),
    square: (x, y, r) => svg("rect", { x: x - r, y: y - r, width: 2 * r, height: 2 * r }),
    diamond: (x, y, r) => svg("path", { d: `M${x - r * 1.3} ${y}L${x} ${y - r * 1.3}L${x + r * 1.3} ${y}L${x} ${y + r * 1.3}Z` }),
    triangle: (x, y, r) => svg("path", { d: `M${x - r * 1.2} ${y + r}L${x} ${y - r * 1.2}L${x + r * 1.2} ${y + r}Z` }),
  };
  const markers = ["circle", "square", "diamond", "triangle"];

  // A label that is a link if there is an address.
  function label(text, href, attributes, title) {
    const element = svg("text", attributes, text, title ? tip(title) : null);
    return href ? svg("a", { href, "aria-label": title || text }, element) : element;
  }

  // Long names end in "...", whole in the tooltip.
  const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

  // Horizontal bars. rows: [{ label, href, value, title, mark, markTitle }]; mark: a second number, drawn as an outline.
  function bars(rows, { name, width = 560, row = 19, labels = 190, numbers = 100 } = {}) {
    const top = Math.max(1, ...rows.map((entry) => Math.max(entry.value, entry.mark ?? 0)));
    const scale = (value) => (value / top) * (width - labels - numbers);
    const drawn = rows.map((entry, i) => {
      const y = i * row;
      const text = entry.mark === undefined || entry.mark === null
        ? count(entry.value) : `${count(entry.value)} / ${count(entry.mark)}`;
      const parts = [
        svg("rect", { class: "hover", x: 0, y, width, height: row }),
        svg("text", { class: "label", x: labels - 6, y: y + row * 0.7, "text-anchor": "end" }, cut(entry.label, 28)),
        svg("rect", { class: "datum", x: labels, y: y + 3, width: Math.max(scale(entry.value), entry.value ? 1 : 0), height: row - 6 }),
        entry.mark === undefined || entry.mark === null ? null
          : svg("rect", { class: "outline", x: labels, y: y + 1.5, width: Math.max(scale(entry.mark), 0.5), height: row - 3 }),
        svg("text", { class: "value", x: labels + scale(Math.max(entry.value, entry.mark ?? 0)) + 6, y: y + row * 0.7 }, text),
        tip(`${entry.label}: ${entry.title}`),
      ];
      return entry.href ? svg("a", { href: entry.href, "aria-label": `${entry.label}: ${entry.title}` }, parts) : svg("g", {}, parts);
    });
    return frame(width, rows.length * row, name, drawn);
  }

  // Numbers with their intervals on a common axis. rows: [{ label, href, value, low, high, title, strong }].
  function intervals(rows, { name, axis, width = 460, row = 26, labels = 150, from = 0, to = 1 } = {}) {
    const right = 60;
    const scale = (value) => labels + ((value - from) / (to - from)) * (width - labels - right);
    const bottom = rows.length * row;
    const grid = ticks(from, to, 5).map((value) => [
      svg("line", { class: "grid", x1: scale(value), x2: scale(value), y1: 0, y2: bottom }),
      svg("text", { class: "tick", x: scale(value), y: bottom + 14, "text-anchor": "middle" }, short(value)),
    ]);
    const drawn = rows.map((entry, i) => {
      const y = i * row + row / 2;
      const known = entry.value !== null && entry.value !== undefined;
      const interval = entry.low !== null && entry.low !== undefined && entry.high !== null && entry.high !== undefined;
      const parts = [
        svg("rect", { class: "hover", x: 0, y: i * row, width, height: row }),
        svg("text", { class: `label${entry.strong ? " strong" : ""}`, x: labels - 8, y: y + 4, "text-anchor": "end" }, cut(entry.label, Math.round(labels / 6.6))),
        interval ? svg("line", { class: "whisker", x1: scale(entry.low), x2: scale(entry.high), y1: y, y2: y }) : null,
        interval ? [entry.low, entry.high].map((end) => svg("line", { class: "whisker", x1: scale(end), x2: scale(end), y1: y - 4, y2: y + 4 })) : null,
        known ? svg("circle", { class: entry.strong ? "dot strong" : "dot", cx: scale(entry.value), cy: y, r: entry.strong ? 5.5 : 4 }) : null,
        svg("text", { class: `value${entry.strong ? " strong" : ""}`, x: width - right + 12, y: y + 4 }, fixed(entry.value)),
        tip(`${entry.label}: ${entry.title}`),
      ];
      return entry.href ? svg("a", { href: entry.href, "aria-label": `${entry.label}: ${entry.title}` }, parts) : svg("g", {}, parts);
    });
    return frame(width, bottom + (axis ? 32 : 18), name, grid, drawn,
      axis ? svg("text", { class: "axis", x: (labels + width - right) / 2, y: bottom + 29, "text-anchor": "middle" }, axis) : null);
  }

  // Path through points, in steps where each level goes back to the point before.
  function path(points, x, y, stepped) {
    return points.map(([px, py], i) => {
      const [X, Y] = [x(px).toFixed(1), y(py).toFixed(1)];
      return i === 0 ? `M${X} ${Y}` : stepped ? `V${Y}H${X}` : `L${X} ${Y}`;
    }).join("");
  }

  // Lines. series: [{ name, points: [[x, y]], style, stepped, marks: [title], low, high: band or whiskers [[x, y]], bold }].
  // x, y: { label, from, to, log }. small: without labels and ticks, for many charts side by side.
  function lines(series, { name, x, y, width = 420, height = 260, small = false, diagonal = false } = {}) {
    const pad = small ? { left: 6, right: 6, top: 6, bottom: 6 } : { left: 48, right: 12, top: 10, bottom: 38 };
    const all = (axis) => series.flatMap((one) => one.points.map((point) => point[axis])).filter((value) => value !== null);
    const bounds = (given, axis) => {
      const values = all(axis);
      const [low, high] = [given.from ?? Math.min(...values), given.to ?? Math.max(...values)];
      return values.length || given.to !== undefined ? [low, high === low ? low + 1 : high] : [0, 1];
    };
    const value = (given, number) => (given.log ? Math.log10(Math.max(number, 1e-12)) : number);
    const place = (given, axis, start, end) => {
      const [low, high] = bounds(given, axis).map((number) => value(given, number));
      return (number) => start + ((value(given, number) - low) / (high - low || 1)) * (end - start);
    };
    const X = place(x, 0, pad.left, width - pad.right);
    const Y = place(y, 1, height - pad.bottom, pad.top);
    const grid = [];
    if (!small) {
      const [left, right] = bounds(x, 0);
      const [low, high] = bounds(y, 1);
      const levels = y.log ? powers(low, high) : ticks(low, high);
      for (const number of ticks(left, right).filter((at) => !x.whole || Math.abs(at - Math.round(at)) < 1e-6)) {
        grid.push(svg("text", { class: "tick", x: X(number), y: height - pad.bottom + 15, "text-anchor": "middle" }, short(number)));
      }
      for (const number of levels) {
        grid.push(svg("line", { class: "grid", x1: pad.left, x2: width - pad.right, y1: Y(number), y2: Y(number) }));
        grid.push(svg("text", { class: "tick", x: pad.left - 6, y: Y(number) + 4, "text-anchor": "end" }, short(number)));
      }
      grid.push(svg("text", { class: "axis", x: (pad.left + width - pad.right) / 2, y: height - 4, "text-anchor": "middle" }, x.label));
      grid.push(svg("text", { class: "axis", transform: `translate(12 ${(pad.top + height - pad.bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, y.label));
    }
    grid.push(svg("rect", { class: "box", x: pad.left, y: pad.top, width: width - pad.left - pad.right, height: height - pad.top - pad.bottom }));
    if (diagonal) grid.push(svg("line", { class: "diagonal", x1: X(0), y1: Y(0), x2: X(1), y2: Y(1) }));
    const drawn = series.map((one, i) => {
      const style = one.style ?? i;
      const points = one.points.filter((point) => point[0] !== null && point[1] !== null);
      const whiskers = (one.low || []).map((low, k) => svg("line", { class: "whisker", x1: X(low[0]), x2: X(low[0]), y1: Y(low[1]), y2: Y(one.high[k][1]) }));
      const marks = one.marks || (points.length === 1 ? [null] : []);
      return svg("g", { class: `${classed(style)}${one.bold ? " bold" : ""}` },
        svg("path", { class: "line", d: path(points, X, Y, one.stepped) }, tip(one.title || one.name)),
        whiskers,
        marks.map((title, k) => {
          const mark = shape[markers[style % markers.length]](X(points[k][0]), Y(points[k][1]), small ? 2 : 3.2);
          mark.setAttribute("class", "marker");
          mark.append(tip(title || `${one.name}: ${short(points[k][0])}, ${short(points[k][1])}`));
          return mark;
        }));
    });
    return frame(width, height, name, grid, drawn);
  }

  function powers(low, high) {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
      for (const factor of [1, 2, 5]) {
        const number = factor * 10 ** power;
        if (number >= low * 0.999 && number <= high * 1.001) found.push(number);
      }
    }
    return found.length > 1 ? found : [low, high];
  }

  // Names of series with their lines. entries: [{ name, style, marker }].
  function legend(entries) {
    return h("ul", { class: "legend" }, entries.map(({ name, style, marker = true }) => h("li", {},
      svg("svg", { width: 34, height: 12, viewBox: "0 0 34 12", "aria-hidden": "true" },
        svg("g", { class: classed(style) }, svg("path", { class: "line", d: "M1 6H33" }),
          marker ? shape[markers[style % markers.length]](17, 6, 3) : null)),
      name)));
  }

  // Bars of equal width. given: { from, to, counts, above, median }. axis: what is counted; things: of what.
  function histogram(given, { name, axis, things, width = 340, height = 170, whole = false } = {}) {
    if (!given.counts.length) return h("p", { class: "faint" }, `No ${things}.`);
    const pad = { left: 44, right: 10, top: 16, bottom: 36 };
    const top = Math.max(1, ...given.counts);
    const step = (given.to - given.from) / given.counts.length;
    const wide = (width - pad.left - pad.right) / given.counts.length;
    const X = (value) => pad.left + ((value - given.from) / (given.to - given.from)) * (width - pad.left - pad.right);
    const Y = (value) => height - pad.bottom - (value / top) * (height - pad.top - pad.bottom);
    const range = (k) => {
      const [low, high] = [given.from + k * step, given.from + (k + 1) * step];
      if (whole) return step === 1 ? short(low) : `${short(low)} to ${short(high - 1)}`;
      return `${short(low)} to ${short(high)}`;
    };
    return frame(width, height, name,
      ticks(0, top, 3).map((value) => [
        svg("line", { class: "grid", x1: pad.left, x2: width - pad.right, y1: Y(value), y2: Y(value) }),
        svg("text", { class: "tick", x: pad.left - 5, y: Y(value) + 4, "text-anchor": "end" }, count(value)),
      ]),
      given.counts.map((value, k) => svg("rect", { class: "datum", x: pad.left + k * wide + 0.5, y: Y(value), width: Math.max(1, wide - 1), height: Y(0) - Y(value) },
        tip(`${axis} ${range(k)}: ${count(value)} ${things}`))),
      ticks(given.from, given.to, 5).map((value) => svg("text", { class: "tick", x: X(value) + (whole && step === 1 ? wide / 2 : 0), y: height - pad.bottom + 14, "text-anchor": "middle" }, short(value))),
      given.median === null ? null : svg("g", {},
        svg("line", { class: "median", x1: X(given.median) + (whole && step === 1 ? wide / 2 : 0), x2: X(given.median) + (whole && step === 1 ? wide / 2 : 0), y1: pad.top - 4, y2: Y(0) }),
        svg("text", { class: "tick", x: Math.min(X(given.median) + 4, width - 90), y: pad.top - 4 }, `median ${short(given.median)}`, tip(`Median ${axis}`))),
      svg("text", { class: "axis", x: (pad.left + width - pad.right) / 2, y: height - 4, "text-anchor": "middle" }, axis,
        given.above ? tip(`${count(given.above)} ${things} are above ${short(given.to)}`) : null));
  }

  // A matrix of counts as a table whose cells are shaded by their share of the row. rows, columns: names. cell(r, c):
  // { text, share, title, href, kind: "right", "wrong" or "neither" } or null.
  function matrix(rows, columns, cell, { caption, corner } = {}) {
    return h("div", { class: "matrix", tabindex: "0" }, h("table", {}, h("caption", {}, caption),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, corner),
        columns.map((name) => h("th", { scope: "col", class: "slant", title: name }, h("span", {}, cut(name, 22)))))),
      h("tbody", {}, rows.map((name, r) => h("tr", {}, h("th", { scope: "row", title: name }, cut(name, 28)), columns.map((_, c) => {
        const found = cell(r, c);
        if (!found) return h("td", {});
        const shade = `--share:${found.share.toFixed(3)}`;
        return h("td", { style: shade, class: `${found.kind}${found.share > 0.5 ? " deep" : ""}`, title: found.title },
          found.href ? h("a", { href: found.href, "aria-label": found.title }, found.text) : found.text);
      }))))));
  }

  puzzlecell.charts = { bars, intervals, lines, legend, histogram, matrix, count, fixed, short, cut, ticks };
})();
