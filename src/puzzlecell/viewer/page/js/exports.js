"use strict";
// Tables for other programs, made in the browser.
(() => {
  const { h } = puzzlecell.dom;
  const ONCE = 5000;
  // A text that begins with one of these is a formula for spreadsheets, unless it is a number.
  const FORMULA = /^[=+\-@\t\r]/;
  const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
  let texts = null;

  // Text of a probability in 65535ths; all there are, made once.
  function probability(value) {
    texts ||= Array.from({ length: puzzlecell.table.ONE + 1 }, (_, i) => (i / puzzlecell.table.ONE).toFixed(6));
    return texts[value];
  }

  // A text for CSV. safe: those that a spreadsheet would take for a formula get an apostrophe in front.
  function field(text, safe) {
    const written = safe && FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text;
    return /[",\n\r]|^\s|\s$/.test(written) ? `"${written.replaceAll('"', '""')}"` : written;
  }

  // Columns of the table of cells: [name, text of a row].
  function columns(table) {
    const { run } = puzzlecell;
    const { fields } = table;
    const names = (mask) => puzzlecell.table.names(mask).join("|");
    const real = (value) => (Number.isNaN(value) ? "" : String(Number(value.toPrecision(7))));
    const found = [
      ["ID", (row) => fields.id[table.field[row]], true], ["cell", (row) => table.cell[row]],
      ["dataset", (row) => run.datasets[table.dataset[row]].name, true],
      ...run.classes.map((name, c) => [`probability ${name}`, (row) => probability(table.scores[c][row])]),
    ];
    if (table.calibrated) {
      const has = (row) => run.datasets[table.dataset[row]].calibrated;
      found.push(...run.classes.map((name, c) =>
        [`calibrated ${name}`, (row) => (has(row) ? probability(table.calibrated[c][row]) : "")]));
      found.push(["called", (row) => (!has(row) ? "" : table.calls[row] >>> 31 ? "uncertain" : names(table.calls[row])),
        true]);
    }
    found.push(["most_probable", (row) => run.classes[table.top[row]], true]);
    if (run.datasets.some((ds) => ds.truth)) {
      found.push(["true", (row) => (table.known[row] ? names(table.truth[row]) : ""), true]);
    }
    found.push(["steps_disagree", (row) => probability(table.disagree[row])],
      ["unlike", (row) => real(table.unlike[row])],
      ["quality", (row) => (table.quality[row] / 255).toFixed(3)], ["touches_border", (row) => table.touches_border[row]],
      ["area_px", (row) => table.area[row]], ["nucleus_area_px", (row) => table.nucleus_area[row]],
      ["centroid_y", (row) => real(table.centroid[2 * row])], ["centroid_x", (row) => real(table.centroid[2 * row + 1])]);
    const taken = new Set(found.map(([name]) => name));
    for (const [name, column] of Object.entries(fields.metadata)) {
      found.push([taken.has(name) ? `metadata ${name}` : name, (row) => column.values[column.codes[table.field[row]]], true]);
    }
    return found;
  }

  // Whether some texts of the table would be taken for formulas by a spreadsheet.
  function formulas(table) {
    const suspect = (text) => FORMULA.test(text) && !NUMBER.test(text);
    return puzzlecell.run.classes.some(suspect) || table.fields.id.some(suspect)
      || Object.entries(table.fields.metadata).some(([name, { values }]) => suspect(name) || values.some(suspect));
  }

  // Cells as CSV (a promise of a Blob): one line per row, in the order given. progress(done) is called now and then.
  async function csv(table, rows, { safe = true, progress = null } = {}) {
    const all = columns(table);
    const parts = [`${all.map(([name]) => field(name, safe)).join(",")}\n`];
    for (let from = 0; from < rows.length; from += ONCE) {
      const lines = [];
      for (const row of rows.subarray(from, from + ONCE)) {
        lines.push(all.map(([, value, text]) => (text ? field(value(row), safe) : value(row))).join(","));
      }
      // Blobs may lie outside the memory of the page, long texts may not.
      parts.push(new Blob([lines.join("\n"), "\n"]));
      if (progress) progress(Math.min(rows.length, from + ONCE));
      await new Promise((resolve) => setTimeout(resolve));
    }
    return new Blob(parts, { type: "text/csv;charset=utf-8" });
  }

  // Give a file to the person, as a download.
  function download(blob, name) {
    const address = URL.createObjectURL(blob);
    const link = h("a", { href: address, download: name, hidden: true });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  }

  puzzlecell.exports = { csv, download, formulas, field };
})();
