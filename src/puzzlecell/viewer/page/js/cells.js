"use strict";
// What the columns of a chunk say about one cell.
(() => {
  const UNCERTAIN = 2 ** 31;
  const has = (mask, index) => (mask & (1 << index)) !== 0;
  const classes = () => puzzlecell.run.classes.length;

  // Probability of a class in [0, 1]; column: "scores" or "calibrated".
  function probability(chunk, row, index, column = "scores") {
    const values = chunk.columns[column];
    return values[index * (values.length / classes()) + row] / 65535;
  }

  const isCalibrated = (chunk) => chunk.columns.calibrated !== undefined;

  function top(chunk, row) {
    let best = 0;
    for (let index = 1; index < classes(); index++) {
      if (probability(chunk, row, index) > probability(chunk, row, best)) best = index;
    }
    return best;
  }

  function listed(mask) {
    return puzzlecell.run.classes.map((_, index) => index).filter((index) => has(mask, index));
  }

  // Called classes; null without calibration.
  const called = (chunk, row) => (chunk.columns.calls ? listed(chunk.columns.calls[row]) : null);

  // True classes; null where they are not known.
  function truth(chunk, row) {
    const { truth: masks, known } = chunk.columns;
    return masks && known && known[row] ? listed(masks[row]) : null;
  }

  // Not sure: said by the calls of a calibrated run, else no class reaches 0.5.
  function uncertain(chunk, row) {
    if (chunk.columns.calls) return chunk.columns.calls[row] >= UNCERTAIN;
    return probability(chunk, row, top(chunk, row)) < 0.5;
  }

  // Classes that the run gives a cell: called ones, without calibration the most probable one.
  const given = (chunk, row) => called(chunk, row) || [top(chunk, row)];

  // Whether a cell is right: all true classes called and no other; without calibration, the most probable class is one
  // of the true ones. null where they are not known.
  function right(chunk, row) {
    const shown = truth(chunk, row);
    if (shown === null) return null;
    const calls = called(chunk, row);
    if (calls === null) return shown.includes(top(chunk, row));
    return calls.length === shown.length && calls.every((index) => shown.includes(index));
  }

  puzzlecell.cells = { probability, isCalibrated, top, called, given, truth, uncertain, right };
})();
