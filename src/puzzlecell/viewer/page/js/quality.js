"use strict";
// How good the answer is where there is truth, whether its probabilities mean what they say, and what was segmented.
(() => {
  const { h } = puzzlecell.dom;
  const { charts } = puzzlecell;
  const { card, said, percent } = puzzlecell.overview;
  const { count, fixed } = charts;
  const TILE = 128;

  const REASONS = {
    found: ["found", "a good mask has the class at or above its working point"],
    no_cell: ["not segmented", "no segmented cell overlaps the true cell"],
    poor_mask: ["poor mask", "the best overlap is below the IoU that the score asks for"],
    wrong_class: ["wrong class", "a good mask, but with a class that the cell does not show"],
    ranked_low: ["ranked low", "a good mask without a wrong class, but below the working point of the class"],
  };

  // Large precision-recall chart of a class, with its numbers.
  function large(run, summary, dataset, c, curve) {
    const points = curve.points.map(([recall, precision]) => [recall, precision]);
    const name = run.classes[c];
    const stepped = points.length ? [[0, points[0][1]], ...points] : [];
    const at = curve.working === null ? -1 : curve.points.findIndex(([, , confidence]) => confidence <= curve.working);
    const series = [{ name: "ensemble", points: stepped, stepped: true, style: 0, bold: true, marks: [], title: `${name}: precision at each recall` }];
    if (at >= 0) {
      series.push({ name: "working point", points: [points[at]], style: 1, marks: [`Working point of ${name}: best F1, at the confidence ${fixed(curve.working)}: recall ${fixed(points[at][0])}, precision ${fixed(points[at][1])}`] });
    }
    const row = (term, value, title) => [h("dt", {}, term), h("dd", {}, said(value, title))];
    const interval = curve.low === null ? "" : `${fixed(curve.low)} to ${fixed(curve.high)}`;
    return h("div", { class: "large", "data-class": c }, h("h3", {}, name),
      charts.lines(series, { name: `Precision and recall of ${name}`, x: { label: "recall: share of true cells found", from: 0, to: 1 }, y: { label: "precision: share of detections that are right", from: 0, to: 1 }, width: 480, height: 340 }),
      charts.legend([{ name: "ensemble", style: 0, marker: false }, { name: "working point (best F1)", style: 1 }]),
      h("dl", { class: "numbers" },
        row("Average precision", fixed(curve.ap, 4), `Area under this curve, as in results/score/${dataset}.classes.csv`),
        interval ? row(`${percent(summary.interval)} interval`, interval, "Bootstrap over fields") : null,
        row("True cells", count(curve.cells), `True cells that show ${name}`),
        row("Detections", count(curve.detections), "Cells that were ranked for this class"),
        row("True detections", count(curve.true), "Detections that match a true cell of the class")),
      h("p", {}, h("a", { href: puzzlecell.route.link("/gallery", { ds: dataset, class: c, order: "wrong" }) }, "Cells wrongly taken for it"), " · ",
        h("a", { href: puzzlecell.route.link("/gallery", { ds: dataset, class: c, order: "missed" }) }, "Cells that show it, taken for others")));
  }

  function precisionRecall(view) {
    const { run, summary, dataset, content } = view;
    const chosen = h("div", {});
    const buttons = run.classes.map((name, c) => {
      const curve = content.curves[c];
      const points = curve.points.length ? [[0, curve.points[0][1]], ...curve.points.map(([x, y]) => [x, y])] : [];
      return h("button", { class: "multiple", type: "button", "data-class": c, onclick: () => view.choose({ class: c }), title: `${name}: average precision ${fixed(curve.ap, 4)} on ${count(curve.cells)} true cells` },
        h("span", { class: "name" }, name), h("span", { class: "number" }, `AP ${fixed(curve.ap)}`),
        charts.lines([{ name, points, stepped: true, style: 0, marks: [] }], { name: `Precision and recall of ${name}`, x: { from: 0, to: 1 }, y: { from: 0, to: 1 }, width: 124, height: 84, small: true }));
    });
    view.onchoose(() => {
      const c = view.state.class;
      chosen.replaceChildren(large(run, summary, dataset, c, content.curves[c]));
      buttons.forEach((button, k) => button.setAttribute("aria-pressed", k === c));
    });
    return card("Precision and recall", { class: "precision" },
      h("p", { class: "faint" }, "Detections of a class by falling confidence: how many are right (up) and how many true cells are found (right). Choose a class."),
      h("div", { class: "split" }, h("div", { class: "multiples" }, buttons), chosen));
  }

  // A missed cell as a picture that leads to it in its field.
  function missTile(view, table, [id, c, , cell, iou, confidence, [y0, x0, y1, x1]]) {
    const { dataset, run } = view;
    const row = cell ? puzzlecell.table.find(dataset, id, cell) : -1;
    const about = [`${id}: true cell that shows ${run.classes[c]}`, cell ? `overlaps segmented cell ${cell} with IoU ${fixed(iou)}` : "overlaps no segmented cell",
      confidence === null ? null : `confidence of the class ${fixed(confidence)}`,
      row >= 0 ? `most probable: ${run.classes[table.top[row]]} (${fixed(table.scores[table.top[row]][row] / 65535)})` : null].filter(Boolean).join("; ");
    const mark = `${((x0 + x1) / 2).toFixed(1)},${((y0 + y1) / 2).toFixed(1)}`;
    const href = puzzlecell.route.link("/field", { ds: dataset, id, cell: cell || null, class: c, mark });
    return h("a", { class: "miss", href, title: about, "aria-label": about, "data-id": id, "data-cell": cell },
      row >= 0 ? cellPicture(table, row) : placePicture(view, table, id, [y0, x0, y1, x1]),
      h("span", {}, row >= 0 ? `${charts.cut(run.classes[table.top[row]], 20)} ${fixed(table.scores[table.top[row]][row] / 65535, 2)}` : "no cell here"));
  }

  function cellPicture(table, row) {
    const canvas = h("canvas", { width: TILE, height: TILE });
    puzzlecell.pictures.cell(canvas, table, row, puzzlecell.channels, { size: TILE, outline: "cell" }).catch(() => {});
    return canvas;
  }

  // The place of a true cell without a segmented one: that part of the field's picture, if it has one.
  function placePicture(view, table, id, [y0, x0, y1, x1]) {
    const field = puzzlecell.table.findField(view.dataset, id);
    if (field < 0 || !table.fields.field_picture[field]) return h("span", { class: "place" }, "true cell, not segmented");
    const side = 1.3 * Math.max(y1 - y0, x1 - x0);
    const scale = TILE / side;
    const [height, width] = [table.fields.height[field] * scale, table.fields.width[field] * scale];
    const [top, left] = [TILE / 2 - ((y0 + y1) / 2) * scale, TILE / 2 - ((x0 + x1) / 2) * scale];
    const canvas = h("canvas", { width: 512, height: Math.round((512 * height) / width), style: `width:${width}px;height:${height}px;left:${left}px;top:${top}px` });
    const shard = table.shards[table.fields.shard[field]].name;
    puzzlecell.pictures.field(canvas, view.dataset, shard, table.fields.index[field]).catch(() => {});
    const box = `left:${left + x0 * scale}px;top:${top + y0 * scale}px;width:${(x1 - x0) * scale}px;height:${(y1 - y0) * scale}px`;
    return h("span", { class: "window" }, canvas, h("span", { class: "truebox", style: box }));
  }

  function misses(view) {
    const { run, content, state } = view;
    const { reasons, most, cells } = content.misses;
    const pictures = h("div", { class: "misses", "aria-live": "polite" });
    const heading = h("h3", { id: "missed" });
    const trouble = h("div");
    const wanted = reasons.filter((reason) => reason !== "found");
    const buttons = [];
    const body = run.classes.map((name, c) => {
      const curve = content.curves[c];
      const cell = (reason) => {
        const value = curve[reason];
        if (!value || reason === "found") return h("td", {}, said(count(value), `${name}: ${REASONS[reason][1]}`));
        const button = h("button", { type: "button", class: "small", "data-class": c, "data-reason": reason, title: `${count(value)} true cells of ${name}: ${REASONS[reason][1]}. Show them.`,
          onclick: () => { view.choose({ class: c, reason }); heading.scrollIntoView({ block: "nearest" }); } }, count(value));
        buttons.push(button);
        return h("td", {}, button);
      };
      const total = Math.max(1, curve.cells);
      return h("tr", {}, h("th", { scope: "row", title: name }, charts.cut(name, 30)), reasons.map(cell),
        h("td", { class: "share" }, h("div", { class: "stackbar", role: "img", "aria-label": reasons.map((reason) => `${REASONS[reason][0]} ${count(curve[reason])}`).join(", ") },
          reasons.map((reason, k) => h("span", { class: `part p${k}`, style: `width:${(100 * curve[reason]) / total}%`, title: `${name}: ${count(curve[reason])} ${REASONS[reason][0]}` })))));
    });
    let number = 0;
    view.onchoose(async () => {
      const mine = ++number;
      const c = state.class;
      // Where none is named: the most frequent reason of the class.
      const reason = wanted.includes(state.reason) ? state.reason
        : [...wanted].sort((a, b) => content.curves[c][b] - content.curves[c][a])[0];
      const all = content.curves[c][reason];
      for (const button of buttons) button.setAttribute("aria-pressed", button.dataset.class === String(c) && button.dataset.reason === reason);
      heading.textContent = all ? `${run.classes[c]}, ${REASONS[reason][0]}: ${count(all)}` : `${run.classes[c]}: no true cell was missed`;
      const listed = cells.filter(([, index, k]) => index === c && reasons[k] === reason);
      if (!listed.length) return pictures.replaceChildren();
      pictures.replaceChildren(h("p", { class: "faint" }, "Reading cells ..."));
      const table = await puzzlecell.table.load();
      if (mine !== number || !pictures.isConnected) return undefined;
      trouble.replaceChildren(...[puzzlecell.controls.problems(table.problems)].filter(Boolean));
      return pictures.replaceChildren(...listed.map((miss) => missTile(view, table, miss)),
        ...(all > listed.length ? [h("p", { class: "faint" }, `Shown are ${most} of ${count(all)}: those with the lowest confidence.`)] : []));
    });
    return card("Found and missed", { class: "missed" },
      h("p", { class: "faint" }, "True cells by what became of them; the first reason that holds counts. A number shows its cells below."),
      h("div", { class: "scroll" }, h("table", { class: "plain reasons" },
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Class"), reasons.map((reason, k) => h("th", { scope: "col", title: REASONS[reason][1] }, h("span", { class: `key p${k}` }), REASONS[reason][0])), h("th", { scope: "col" }, "Share"))),
        h("tbody", {}, body))), heading, trouble, pictures);
  }

  function confusions(view) {
    const { run, content, dataset, state } = view;
    const { confusion } = content;
    const holder = h("div", {});
    const kinds = [["probable", "most probable class"], ["called", "called classes"]].filter(([key]) => confusion[key]);
    const buttons = kinds.map(([key, text]) => h("button", { type: "button", "data-kind": key, onclick: () => view.choose({ by: key }) }, text));
    const shares = h("input", { type: "checkbox", onchange: () => view.choose({ shares: shares.checked ? 1 : null }) });
    view.onchoose(() => {
      const key = confusion[state.by] ? state.by : "probable";
      const counts = confusion[key];
      shares.checked = Boolean(state.shares);
      buttons.forEach((button) => button.setAttribute("aria-pressed", button.dataset.kind === key));
      const columns = [...run.classes, "another true class", ...(key === "called" ? ["nothing called"] : [])];
      holder.replaceChildren(charts.matrix(run.classes, columns, (r, c) => {
        const value = counts[r][c];
        if (!value) return null;
        const sum = counts[r].reduce((total, one) => total + one, 0);
        const share = value / sum;
        // Cells that show both classes count as another true class: they are not among those that are wrongly taken for it.
        // Of any class, those are wrong whose most probable class is; of a class, those that are called for it.
        const wrong = r === c ? {} : { order: "wrong", class: key === "called" ? c : null };
        const filter = { [key === "called" ? "called" : "top"]: c, ...wrong };
        return { share, kind: r === c ? "right" : c === run.classes.length ? "neither" : "wrong", text: state.shares ? `${Math.round(100 * share)}` : count(value),
          title: `${count(value)} cells (${percent(share)}) that truly show ${run.classes[r]}: ${key === "called" ? "called" : "most probable is"} ${columns[c]}`,
          href: c < run.classes.length ? puzzlecell.route.link("/gallery", { ds: dataset, true: r, ...filter }) : null };
      }, { caption: state.shares ? "Rows: what cells truly show. Columns: what they are taken for. Percent of the row." : "Rows: what cells truly show. Columns: what they are taken for. Numbers of cells.", corner: "true \\ taken for" }));
    });
    return card("Confusion", { class: "confusion" },
      h("p", { class: "faint" }, said(count(confusion.cells), "Segmented cells that are true cells: the IoU reaches the threshold of the score"),
        " segmented cells are true cells. A cell that shows two classes is in two rows; where it is taken for the other one, it counts as another true class. A number leads to its cells."),
      h("div", { class: "row" }, kinds.length > 1 ? buttons : null, h("label", {}, shares, " percent")), holder);
  }

  // Reliability of the run's calibration, before and after.
  function calibration(view) {
    const { run, summary, state } = view;
    const bins = summary.reliability;
    if (!bins) return null;
    const table = summary.calibration;
    const holder = h("div", {});
    const names = ["all", ...run.classes];
    const chooser = h("select", { "aria-label": "Class of the calibration plot", onchange: () => view.choose({ cal: chooser.value === "all" ? null : chooser.value }) },
      names.map((name, k) => h("option", { value: k ? k - 1 : "all" }, k ? name : "all calibrated classes")));
    view.onchoose(() => {
      const chosen = state.cal !== null && state.cal !== undefined && run.classes[state.cal] !== undefined ? run.classes[state.cal] : "all";
      chooser.value = chosen === "all" ? "all" : String(run.classes.indexOf(chosen));
      const of = (when) => bins.class.flatMap((name, k) => (name === chosen && bins.when[k] === when ? [k] : []));
      const series = [["before", "as predicted", 1], ["after", "calibrated (on other folds)", 0]].map(([when, name, style]) => {
        const rows = of(when);
        const pair = (column) => rows.map((k) => [bins.predicted[k], bins[column][k] ?? bins.observed[k]]);
        return { name, style, points: pair("observed"), low: pair("low"), high: pair("high"),
          marks: rows.map((k) => `${name}: ${count(bins.cells[k])} cells with a mean probability of ${fixed(bins.predicted[k])}; ${percent(bins.observed[k])} show the class`) };
      });
      const c = run.classes.indexOf(chosen);
      const row = table && c >= 0 ? table.class.indexOf(chosen) : -1;
      holder.replaceChildren(charts.lines(series, { name: `Calibration of ${chosen}`, x: { label: "mean probability of the cells in a bin", from: 0, to: 1 }, y: { label: "share that shows the class", from: 0, to: 1 }, width: 460, height: 400, diagonal: true }),
        charts.legend(series), row < 0 ? "" : h("p", {}, "Expected calibration error ", said(fixed(table.ece_before[row]), "Mean distance of the bins from the diagonal, as predicted"), " before, ",
          said(fixed(table.ece_after[row]), "Mean distance of the bins from the diagonal, calibrated on other folds"), " after; called from ", said(fixed(table.threshold[row]), "Calibrated probability from which the class is called"), "."));
    });
    return card("Calibration", { class: "calibration" }, h("p", { class: "faint" }, "Of cells with a probability of 0.7, do 70 % show the class? On the diagonal, they do."), chooser, holder);
  }

  function segmentation(view) {
    const { content, dataset } = view;
    const found = content.segmentation;
    const list = (title, fields) => h("div", {}, h("h3", {}, title), h("ol", { class: "fields" }, fields.map(([id, cells]) =>
      h("li", {}, h("a", { href: puzzlecell.route.link("/field", { ds: dataset, id }) }, id), " ", said(count(cells), "Cells of this field")))));
    const share = found.cells ? found.at_border / found.cells : 0;
    return card("Segmentation", { class: "segmentation" },
      h("p", {}, said(count(found.cells), "Segmented cells of the data set", { class: "number", "data-what": "cells" }), " cells in ", said(count(found.fields), "Fields of the data set"), " fields; ",
        said(count(found.without_cells), "Fields in which no cell was found"), " without cells. ",
        said(count(found.at_border), "Cells that touch the border of their field", { class: "number", "data-what": "border" }), ` cells (${percent(share)}) touch the border; their sizes are left out below. `,
        h("a", { href: puzzlecell.route.link("/gallery", { ds: dataset, border: "only", order: "random" }) }, "See them")),
      h("div", { class: "histograms" },
        charts.histogram(found.cell_area, { name: "Areas of cells", axis: "area of a cell (µm²)", things: "cells" }),
        charts.histogram(found.nucleus_area, { name: "Areas of nuclei", axis: "area of a nucleus (µm²)", things: "cells" }),
        charts.histogram(found.per_field, { name: "Cells of a field", axis: "cells of a field", things: "fields", whole: true }),
        charts.histogram(found.quality, { name: "Quality of cells", axis: "quality (border × size)", things: "cells" })),
      h("div", { class: "columns" }, list("Fields with the fewest cells", found.fewest), list("Fields with the most cells", found.most)));
  }

  async function show(main, address) {
    const { run } = puzzlecell;
    const summary = run.summary || {};
    const there = summary.quality || [];
    if (!there.length) {
      main.append(h("p", {}, "This view holds nothing about quality."));
      return;
    }
    const scored = there.find((name) => (summary.scores || {})[name]);
    const dataset = there.includes(address.ds) ? address.ds : scored || there[0];
    const content = await puzzlecell.load(`${dataset}/quality`);
    const c = Number(address.class);
    const weakest = content.curves ? content.curves.reduce((best, curve, k) => (curve.ap !== null && (best < 0 || curve.ap < content.curves[best].ap) ? k : best), -1) : 0;
    const state = { ...address, ds: dataset, class: address.class && run.classes[c] !== undefined ? c : Math.max(0, weakest) };
    const listeners = [];
    const view = {
      run, summary, dataset, content, state,
      onchoose: (listener) => listeners.push(listener),
      choose: (change) => {
        if (change.class !== undefined && change.class !== state.class && !change.reason) state.reason = null;
        Object.assign(state, change);
        puzzlecell.route.go("/quality", { ...puzzlecell.route.parse().state, ...state }, { replace: true, now: true });
        for (const listener of listeners) listener();
      },
    };
    const chooser = h("select", { onchange: () => puzzlecell.route.go("/quality", { ds: chooser.value }) }, there.map((name) => h("option", { value: name }, name)));
    chooser.value = dataset;
    main.append(...[h("div", { class: "lead" }, there.length > 1 ? h("label", { class: "choose" }, "Data set ", chooser) : null,
      content.curves ? null : h("span", { class: "faint" }, `There is no ground truth per cell for ${dataset}: only its segmentation can be shown.`)),
    content.curves ? [precisionRecall(view), misses(view), confusions(view)] : null, calibration(view), segmentation(view)].flat().filter(Boolean));
    for (const listener of listeners) listener();
  }

  puzzlecell.pages.push({ name: "quality", path: "/quality", title: "Quality", tab: true, show });
})();
