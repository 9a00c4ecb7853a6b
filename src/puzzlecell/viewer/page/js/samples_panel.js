"use strict";
// What the cells of one group show: shares with intervals, entropy, and the cells side by side.
(() => {
  const { h, number } = puzzlecell.dom;
  const { classStyle, groups: all, intervals } = puzzlecell;
  const PICTURES = 12;
  const SIZE = 84;

  const finite = (value) => (typeof value === "number" && Number.isFinite(value) ? value : null);
  const text = (value, digits) => (finite(value) === null ? "–" : value.toFixed(digits));
  const span = (low, high, digits = 2) => `${text(low, digits)} – ${text(high, digits)}`;

  // Rows of the table of shares from `snakemake variability`.
  function measured(found) {
    const { classes } = puzzlecell.run;
    const rows = [...found].filter(([name]) => name !== "all" && classes.includes(name)).map(([name, one]) => ({
      index: classes.indexOf(name), share: one.share, low: one.share_low, high: one.share_high,
      entropy: one.entropy, entropyLow: one.entropy_low, entropyHigh: one.entropy_high,
      p: finite(one.p_value), varies: one.varies || "",
    }));
    const whole = found.get("all") || {};
    return {
      rows, cells: whole.cells, entropy: whole.entropy, low: whole.entropy_low, high: whole.entropy_high,
      how: "Cells of the quality and classes from the thresholds that the section “variability” of the configuration sets, "
        + "whatever is chosen on this page. Intervals of a bootstrap over the cells.", measured: true,
    };
  }

  // The same, computed here from what the cells show.
  function computed(groups, group, meaning) {
    const cells = groups.cells[group];
    const rows = [];
    for (let index = 0; index < groups.classes; index++) {
      const shown = groups.counts[group * groups.classes + index];
      if (!shown) continue;
      const [low, high] = intervals.wilson(shown, cells);
      rows.push({ index, share: shown / cells, low, high, entropy: intervals.binaryEntropy(shown / cells), shown });
    }
    const patterns = new Map();
    for (const row of all.rows(groups, group)) {
      const mask = groups.mask(row);
      patterns.set(mask, (patterns.get(mask) || 0) + 1);
    }
    const [low, high] = intervals.entropyInterval(patterns, groups.classes, groups.names[group]);
    return {
      rows, cells, entropy: groups.entropy[group], low, high, measured: false,
      how: `Computed here. ${meaning}. 95 % intervals: of Wilson for shares, of ${intervals.DRAWS} bootstrap draws of `
        + "the cells for the entropy.",
    };
  }

  // A bar of a share with its interval as a line.
  function shareBar({ share, low, high }, name) {
    const percent = (value) => `${(100 * Math.min(Math.max(value, 0), 1)).toFixed(2)}%`;
    const known = finite(low) !== null && finite(high) !== null;
    const title = `Share of cells that show ${name}: ${text(share, 3)}, 95 % interval ${span(low, high, 3)}`;
    const interval = `left:${percent(low)};width:${percent(high - low)}`;
    return h("span", { class: "share-bar", title },
      h("span", { class: "share-fill", style: `width:${percent(share)}` }),
      known ? h("span", { class: "share-interval", style: interval }) : null);
  }

  function table(found) {
    const heading = (name, title) => h("th", { scope: "col", title }, name);
    const { classes } = puzzlecell.run;
    const rows = [...found.rows].sort((one, other) => other.share - one.share || one.index - other.index);
    return h("table", { class: "shares" },
      h("thead", {}, h("tr", {}, heading("Class", "Number and name of the class"),
        heading("", "Share of the cells that show the class, with its 95 % interval"),
        heading("Share", "Share of the cells that show the class"), heading("95 %", "95 % interval of the share"),
        heading("Bits", "Entropy of the share: 1 if half of the cells show the class, 0 if all or none do"),
        found.measured ? [
          heading("p", "p value of all cells showing the class, or none, given the measured errors"),
          heading("Varies", "Whether cells differ more than errors alone explain")] : null)),
      h("tbody", {}, rows.map((row) => {
        const name = classes[row.index];
        const spread = finite(row.entropyLow) === null ? ""
          : `, 95 % interval ${span(row.entropyLow, row.entropyHigh)}`;
        const tested = row.varies ? "Tested against the measured errors" : "Not tested: the errors are not known";
        return h("tr", { "data-class": row.index },
          h("th", { scope: "row", title: name }, h("span", { class: "class-cell" }, classStyle.swatch(row.index),
            h("span", { class: "class-name" }, `${row.index} ${name}`))),
          h("td", { class: "share-cell" }, shareBar(row, name)),
          h("td", {}, number(row.share, `Share of cells that show ${name}`, 3)),
          h("td", { class: "number", title: `95 % interval of the share of cells that show ${name}` },
            span(row.low, row.high)),
          h("td", {}, number(finite(row.entropy), `Entropy of the share of ${name}, in bits${spread}`, 2)),
          found.measured ? [h("td", {}, number(row.p, `p value of ${name}`, 4)),
            h("td", { title: tested }, row.varies || "–")] : null);
      })));
  }

  // Cells that show a class, the most probable ones first; those with a picture before others.
  function examples(groups, rows, index) {
    const { table: cells } = groups;
    const there = (row) => (puzzlecell.run.served || cells.picture[row] ? 1 : 0);
    return rows.filter((row) => groups.mask(row) >>> index & 1)
      .sort((one, other) => there(other) - there(one) || cells.scores[index][other] - cells.scores[index][one]);
  }

  // Pictures of the cells by class; draw(): mix their channels again.
  function strips(groups, group, found) {
    const rows = all.rows(groups, group);
    const drawn = [];
    const { classes } = puzzlecell.run;
    const order = [...found.rows].sort((one, other) => other.share - one.share || one.index - other.index);
    const element = h("div", { class: "strips" }, order.map(({ index }) => {
      const members = examples(groups, rows, index);
      if (!members.length) return null;
      return h("section", { class: "strip", "aria-label": classes[index] },
        h("h4", {}, classStyle.swatch(index), ` ${index} ${classes[index]} `,
          h("span", { class: "faint", title: "Cells of this group that show the class" },
            `${members.length} ${members.length === 1 ? "cell" : "cells"}`)),
        h("div", { class: "strip-cells" }, members.slice(0, PICTURES).map((row) => {
          const canvas = h("canvas", { width: SIZE, height: SIZE, style: `width:${SIZE}px;height:${SIZE}px` });
          drawn.push([canvas, row]);
          const place = puzzlecell.table.place(row);
          const score = (groups.table.scores[index][row] / 65535).toFixed(2);
          const sh = groups.table.shards[groups.table.shard[row]].name;
          return h("a", {
            href: puzzlecell.route.link("/field", { ...place, sh, class: index }),
            title: `Cell ${place.cell} of ${place.id}: ${classes[index]} ${score}`,
          }, canvas, h("span", { class: "number" }, score));
        })));
    }));
    const problem = h("p", { class: "problem", role: "alert", hidden: true });
    element.append(problem);
    async function draw() {
      const results = await Promise.allSettled(drawn.map(([canvas, row]) =>
        puzzlecell.pictures.cell(canvas, groups.table, row, puzzlecell.channels, { size: SIZE })));
      const failed = results.find(({ status }) => status === "rejected");
      problem.hidden = failed === undefined;
      if (failed) problem.textContent = failed.reason.message;
    }
    return { element, draw };
  }

  // Number of cells and entropy in a sentence, how they were counted, and the shares of the classes.
  function counted(found, where) {
    return [
      h("p", { class: "sample-numbers" },
        h("span", { title: "Cells of sufficient quality" }, `${found.cells} cells`), where,
        " · entropy ", h("span", { class: "entropy" }, number(finite(found.entropy),
          "Entropy of the calls over the classes, in bits: 0 if all cells show the same class", 2)),
        h("span", { class: "number entropy-interval", title: "95 % interval of the entropy" },
          ` bits (${span(found.low, found.high)})`)),
      h("p", { class: "faint small" }, found.how),
      found.rows.length ? table(found) : h("p", {}, "Its cells show no class.")];
  }

  // Panel of a group: {element, draw()}. level: its name in the table of variability; meaning: what counts as shown;
  // links: further elements beside the name.
  function panel(groups, group, { level, meaning, links }) {
    const name = groups.names[group];
    const known = all.variability(puzzlecell.run.datasets[groups.number].name, level, name);
    const found = computed(groups, group, meaning);
    const pictures = strips(groups, group, found);
    const fields = `${groups.fields[group]} ${groups.fields[group] === 1 ? "field" : "fields"}`;
    const element = h("article", { class: "panel sample-panel", "data-name": name },
      h("h2", {}, name), h("p", { class: "row" }, links),
      counted(found, [" in ", h("span", { title: "Fields of this group" }, fields)]),
      known ? h("section", { class: "sample-measured" }, h("h3", {}, "Measured by “snakemake variability”"),
        counted(measured(known))) : null,
      h("h3", {}, "Cells side by side"), pictures.element);
    return { element, draw: pictures.draw };
  }

  puzzlecell.samplePanel = panel;
})();
