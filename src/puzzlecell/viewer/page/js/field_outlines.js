"use strict";
// What is drawn for each cell of a field: its outline, and colour, pattern and label by what the user wants to see.
(() => {
  const { cells, classStyle, fields } = puzzlecell;

  const named = (index) => `${index} ${puzzlecell.run.classes[index]}`;
  const percent = (value) => `${Math.round(100 * value)} %`;

  // Style of a cell of whose classes the first gives the colour.
  function ofClasses(indices, nothing) {
    if (!indices.length) return { ...classStyle.NOTHING, label: nothing, long: nothing };
    const style = classStyle.ofClass(indices[0]);
    return { ...style, label: indices.join(" + "), long: indices.map(named).join(" + ") };
  }

  const byProbability = (chunk, row, index) => [...index].sort((one, other) =>
    cells.probability(chunk, row, other) - cells.probability(chunk, row, one));

  const MODES = {
    top: {
      title: "Most probable class",
      style(chunk, row) {
        const style = ofClasses([cells.top(chunk, row)], "–");
        return cells.uncertain(chunk, row) ? { ...style, dash: classStyle.UNCERTAIN } : style;
      },
    },
    called: {
      title: "Called classes",
      usable: (chunk) => chunk.columns.calls !== undefined,
      style(chunk, row) {
        const style = ofClasses(byProbability(chunk, row, cells.called(chunk, row)), "no call");
        return cells.uncertain(chunk, row) ? { ...style, dash: classStyle.UNCERTAIN } : style;
      },
    },
    class: {
      title: "Probability of the chosen class",
      style(chunk, row, index) {
        const probability = cells.probability(chunk, row, index);
        const text = percent(probability);
        const dash = probability < 0.5 ? classStyle.UNCERTAIN : [];
        return { colour: classStyle.ofProbability(probability), dash, label: text, long: text };
      },
    },
    truth: {
      title: "True classes",
      usable: (chunk) => chunk.columns.known !== undefined && chunk.columns.known.includes(1),
      style(chunk, row) {
        const truth = cells.truth(chunk, row);
        return truth === null ? { ...classStyle.UNKNOWN, long: "not known" } : ofClasses(truth, "none");
      },
    },
    right: {
      title: "Right or wrong",
      usable: (chunk) => MODES.truth.usable(chunk),
      style(chunk, row) {
        const right = cells.right(chunk, row);
        if (right === null) return { ...classStyle.UNKNOWN, long: "? not known" };
        const given = cells.given(chunk, row).map(named).join(" + ") || "no call";
        return right ? { ...classStyle.RIGHT, long: `✓ ${given}` } : { ...classStyle.WRONG, long: `✗ ${given}` };
      },
    },
  };

  // Modes that this data set can show: [[name, title], ...].
  const modes = (chunk) => Object.entries(MODES)
    .filter(([, mode]) => !mode.usable || mode.usable(chunk)).map(([name, mode]) => [name, mode.title]);

  // Shapes of a field's cells: [{row, box, centre, rings, cell, nucleus}] in raw pixels, without style.
  function shapesOf(field, shapes) {
    const { columns } = field.chunk;
    const { rings, path } = puzzlecell.pictures;
    return fields.rows(field).map((row) => {
      const found = rings(shapes, "cell", row);
      return {
        row, rings: found,
        box: [columns.y0[row], columns.x0[row], columns.y1[row], columns.x1[row]],
        centre: [columns.centroid[2 * row], columns.centroid[2 * row + 1]],
        cell: path(found, [0, 0, 1], 1),
        nucleus: path(rings(shapes, "nucleus", row), [0, 0, 1], 1),
      };
    });
  }

  // Whether a point is inside of rings, those of holes included (even-odd rule).
  function inside(found, x, y) {
    let odd = false;
    for (const ring of found) {
      for (let i = 0, j = ring.length - 2; i < ring.length; j = i, i += 2) {
        const above = ring[i + 1] > y;
        if (above === ring[j + 1] > y) continue;
        const crossing = ring[i] + (y - ring[i + 1]) / (ring[j + 1] - ring[i + 1]) * (ring[j] - ring[i]);
        if (x < crossing) odd = !odd;
      }
    }
    return odd;
  }

  // The same with colour, dash, label and long label.
  const styled = (found, chunk, mode, index) =>
    found.map((shape) => ({ ...shape, ...MODES[mode].style(chunk, shape.row, index) }));

  puzzlecell.fieldOutlines = { modes, shapesOf, styled, inside };
})();
