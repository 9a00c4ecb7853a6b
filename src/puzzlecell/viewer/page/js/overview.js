"use strict";
// What this run is: its data sets, scores and classes at a glance; below, trainings, settings, versions and sources.
(() => {
  const { h } = puzzlecell.dom;
  const { charts } = puzzlecell;
  const { count } = charts;

  const NAMES = { broadcast: "field's own", step1: "step 1", step2: "step 2", ensemble: "ensemble" };
  const MEANING = {
    broadcast: "each cell gets the probabilities of its whole field (baseline)",
    step1: "class activation maps of the field, read inside each cell",
    step2: "networks that see one cell at a time",
    ensemble: "the answer of this run: both steps together",
  };
  // Warnings about whole data sets that stand on top; the others are folded.
  const SHOWN = 4;
  const percent = (share) => `${Number((100 * share).toFixed(1))} %`;

  // A number with its tooltip.
  const said = (text, title, attributes = {}) => h("span", { class: "number", title, ...attributes }, text);
  // Cells of class c in the gallery.
  const cells = (dataset, c, more = {}) => puzzlecell.route.link("/gallery", { ds: dataset, class: c, ...more });

  function intervalText(row, interval) {
    return row.low === null ? "" : `, ${percent(interval)} interval ${row.low.toFixed(3)} to ${row.high.toFixed(3)}`;
  }

  // A card of the page, with a heading.
  const card = (title, attributes, ...children) =>
    h("section", { ...attributes, class: `card ${attributes.class || ""}` }, h("h2", {}, title), children);

  // Numbers of the whole run, on top.
  function facts(run, summary) {
    const sum = (key) => run.datasets.reduce((total, dataset) => total + dataset[key], 0);
    const rejected = run.datasets.reduce((total, { name }) => total + ((summary.rejected || {})[name] || { count: 0 }).count, 0);
    const fact = (value, name, title) => h("div", { class: "keyfigure" }, said(value, title, { class: "number big" }), h("span", {}, name));
    const scored = run.datasets.filter(({ name }) => (summary.scores || {})[name]);
    return h("div", { class: "keyfigures" },
      fact(count(sum("fields")), "fields", "Fields of view of the data sets shown here, those without cells included"),
      fact(count(sum("cells")), "cells", "Segmented cells of these fields"),
      fact(count(run.classes.length), "classes", "Classes of the class table"),
      fact(count(rejected), rejected === 1 ? "field rejected" : "fields rejected", "Damaged fields of these data sets that were skipped"),
      scored.map(({ name }) => {
        const row = summary.scores[name].find(({ prediction }) => prediction === "ensemble");
        return row ? h("div", { class: "keyfigure", "data-score": name },
          said(charts.fixed(row.mean_ap), `Mean average precision of the ensemble on ${name}${intervalText(row, summary.interval)}`, { class: "number big" }),
          h("span", {}, `mean AP, ${name}`)) : null;
      }));
  }

  // What to look at next. Fields are opened by the page of a field, the first one if none is named.
  function next(run, dataset) {
    const { link } = puzzlecell.route;
    const entry = (href, title, text) => h("li", {}, h("a", { href }, title), " ", text);
    return h("ul", { class: "next" },
      entry(link("/gallery", { ds: dataset, order: "uncertain" }), "Uncertain cells", "where the answer could tip"),
      entry(link("/gallery", { ds: dataset, order: "random" }), "Random cells", "an honest sample"),
      entry(link("/field", { ds: dataset }), "Fields", "cells in their place"),
      entry(link("/quality", { ds: dataset }), "Quality", "what is right, what was missed, and why"),
      entry(link("/grade", { ds: dataset }), "Grade", "measure the run on your own eyes"));
  }

  function chooser(run, dataset, change) {
    if (run.datasets.length < 2) return null;
    const chosen = h("select", { id: "overview-dataset", onchange: () => change(chosen.value) },
      run.datasets.map(({ name, role }) => h("option", { value: name }, `${name} (${role})`)));
    chosen.value = dataset;
    return h("label", { class: "choose" }, "Data set ", chosen);
  }

  function scoreChart(summary, dataset) {
    const rows = (summary.scores || {})[dataset];
    if (!rows) {
      return card("Score", { class: "score" }, h("p", { class: "faint" },
        `There is no ground truth per cell for ${dataset}. The grade page measures the run on cells that you grade.`), graded(summary, dataset));
    }
    const low = Math.min(...rows.map((row) => row.low ?? row.mean_ap));
    return card("Score", { class: "score" },
      charts.intervals(rows.map((row) => ({
        label: NAMES[row.prediction] || row.prediction,
        value: row.mean_ap, low: row.low, high: row.high, strong: row.prediction === "ensemble",
        title: `mean AP ${charts.fixed(row.mean_ap)}${intervalText(row, summary.interval)}; ${MEANING[row.prediction] || ""}`,
      })), { name: `Mean average precision of each prediction on ${dataset}`, from: Math.min(0.8, Math.floor(low * 10) / 10),
        axis: `mean average precision, ${percent(summary.interval)} interval over fields`, labels: 96 }),
      rows.every((row) => row.prediction !== "broadcast") ? null : h("p", { class: "faint" }, "The field's own: every cell gets the probabilities of its field."),
      graded(summary, dataset));
  }

  function graded(summary, dataset) {
    const table = (summary.graded || {})[dataset];
    return table ? puzzlecell.gradedScore(table) : null;
  }

  function classChart(run, summary, dataset) {
    const found = (summary.counts || {})[dataset];
    if (!found) return null;
    const what = found.called ? "called" : "probable";
    const meaning = found.called ? "cells for which the class is called" : "cells of which it is the most probable class";
    const rows = run.classes.map((label, c) => ({
      label, href: cells(dataset, c, { order: "confident" }), value: found[what][c], mark: found.true ? found.true[c] : null,
      title: `${count(found[what][c])} ${meaning}${found.true ? `; ${count(found.true[c])} true cells show it` : ""}`,
    }));
    return card("Cells per class", { class: "classes" },
      h("p", { class: "faint" }, found.called ? "Bars: cells for which the class is called" : "Bars: cells of which it is the most probable class",
        found.true ? "; dashed: true cells that show it, perhaps besides others. " : ". ", "A name leads to its cells.",
        found.uncertain ? [" No class is called for ", said(count(found.uncertain), "Cells without a called class"), " cells."] : null),
      charts.bars(rows, { name: `Cells per class of ${dataset}` }));
  }

  function datasets(run, summary) {
    const columns = [["name", "Data set"], ["role", "Role"], ["fields", "Fields"], ["rejected", "Rejected"], ["cells", "Cells"],
      ["shards", "Shards"], ["pixel", "Pixel (µm)"], ["score", "Mean AP"]];
    return card("Data sets", { class: "datasets" }, h("div", { class: "scroll" }, h("table", { class: "plain" },
      h("thead", {}, h("tr", {}, columns.map(([, title]) => h("th", { scope: "col" }, title)))),
      h("tbody", {}, run.datasets.map((dataset) => {
        const rejected = (summary.rejected || {})[dataset.name];
        const score = ((summary.scores || {})[dataset.name] || []).find(({ prediction }) => prediction === "ensemble");
        return h("tr", {}, h("th", { scope: "row" }, h("a", { href: puzzlecell.route.link("/gallery", { ds: dataset.name }) }, dataset.name)),
          h("td", {}, dataset.role),
          h("td", {}, said(count(dataset.fields), "Fields of view")),
          h("td", {}, rejected ? said(count(rejected.count), "Damaged fields that were skipped") : "–"),
          h("td", {}, said(count(dataset.cells), "Segmented cells")),
          h("td", {}, said(count(dataset.shards.length), "Files that the data set is stored in")),
          h("td", {}, dataset.pixel_size_um === null || dataset.pixel_size_um === undefined ? "–" : said(charts.short(dataset.pixel_size_um), "Side of a pixel of the raw fields in micrometres")),
          h("td", {}, score ? said(charts.fixed(score.mean_ap), `Mean average precision of the ensemble${intervalText(score, summary.interval)}`) : "–"));
      })))));
  }

  function rejectedFields(summary) {
    const entries = Object.entries(summary.rejected || {}).filter(([, { count: all }]) => all);
    if (!entries.length) return null;
    return card("Rejected fields", { class: "rejected" }, entries.map(([name, { count: all, fields }]) => h("details", { open: all <= 10 },
      h("summary", {}, `${name}: `, said(count(all), "Damaged fields that were skipped"), all === 1 ? " field" : " fields"),
      h("ul", {}, fields.map(([id, reason]) => h("li", {}, h("code", {}, id), ": ", reason))),
      all > fields.length ? h("p", { class: "faint" }, `and ${count(all - fields.length)} more; results/store/${name} lists all`) : null)));
  }

  // Warnings of the run, on top if there are any.
  async function warnings(summary) {
    if (!summary.warned) return null;
    let found;
    try {
      found = await puzzlecell.load("warnings");
    } catch (error) {
      return h("p", { class: "problem", role: "alert" }, `The warnings of this run are not shown: ${error.message}. They are written when a run ends; results/warnings.csv has them too.`);
    }
    const { findings, fields, more } = found;
    if (!findings.length) return h("p", { class: "faint fine" }, "No warnings: nothing in the results looks wrong.");
    const whole = findings.filter(([, id]) => !id);
    const single = findings.filter(([, id]) => id);
    const total = Object.values(fields).reduce((sum, value) => sum + value, 0);
    const ofSet = ([dataset, , what]) => h("li", {}, h("strong", {}, dataset), ": ", what);
    const shown = new Set(puzzlecell.run.datasets.map(({ name }) => name));
    return h("section", { class: "card warned", "aria-label": "Warnings" },
      h("h2", {}, said(count(whole.length + total), "Findings in results/warnings.csv"), whole.length + total === 1 ? " warning" : " warnings"),
      h("ul", {}, whole.slice(0, SHOWN).map(ofSet)),
      whole.length > SHOWN ? h("details", {}, h("summary", {}, said(count(whole.length - SHOWN), "Further findings about whole data sets"), " more about whole data sets"), h("ul", {}, whole.slice(SHOWN).map(ofSet))) : null,
      total ? h("details", {}, h("summary", {}, said(count(total), "Findings about single fields"), " about single fields"),
        h("ul", {}, single.map(([dataset, id, what]) => h("li", {},
          shown.has(dataset) ? h("a", { href: puzzlecell.route.link("/field", { ds: dataset, id }) }, id) : h("code", {}, id), ` (${dataset}): `, what))),
        more ? h("p", { class: "faint" }, `and ${count(more)} more in results/warnings.csv`) : null) : null);
  }

  // Losses and precision of each training, a chart per stage; folds differ in style.
  function trainings(summary) {
    const { curves = [] } = summary;
    if (!curves.length) return null;
    const stages = [...new Set(curves.map(({ model, stage }) => `${model}, ${stage}`))];
    const draw = (stage) => {
      const folds = curves.filter((curve) => `${curve.model}, ${curve.stage}` === stage);
      const pairs = (curve, column) => curve.epochs.map((epoch, i) => [epoch, curve[column][i]]);
      const series = (column, name) => folds.map((curve, k) => ({ name: `fold ${curve.fold}`, style: k, title: `${name}, fold ${curve.fold}`,
        points: pairs(curve, column), marks: curve.epochs.length <= 12 ? curve.epochs.map((epoch, i) => `${name}, fold ${curve.fold}, epoch ${epoch}: ${curve[column][i] === null ? "–" : charts.short(curve[column][i])}${epoch === curve.best ? " (best epoch, whose weights are used)" : ""}`) : null }));
      const last = Math.max(...folds.map((curve) => curve.epochs.at(-1)));
      const x = { label: "epoch", from: 1, to: Math.max(2, last), whole: true };
      return h("div", { class: "training" }, h("h3", {}, stage),
        h("div", { class: "pair" },
          charts.lines(series("map", "Mean average precision on the held-out fold"), { name: `Mean average precision of ${stage}`, x, y: { label: "held-out mean AP", to: 1 }, width: 300, height: 190 }),
          charts.lines(series("loss", "Loss on the held-out fold"), { name: `Held-out loss of ${stage}`, x, y: { label: "held-out loss", from: 0 }, width: 300, height: 190 })),
        charts.legend(folds.map((curve, k) => ({ name: `fold ${curve.fold}${curve.best ? `, best epoch ${curve.best}` : ""}`, style: k }))));
    };
    return card("Trainings", { class: "trainings" }, h("div", { class: "stages" }, stages.map(draw)));
  }

  function settings(summary) {
    if (!summary.settings) return null;
    return card("Settings", { class: "settings" },
      h("details", {}, h("summary", {}, "What differs from the defaults"), h("pre", { tabindex: "0" }, summary.settings.changed)),
      h("details", {}, h("summary", {}, "All settings"), h("pre", { tabindex: "0" }, summary.settings.complete)));
  }

  function provenance(run, summary) {
    const list = (entries) => h("dl", {}, Object.entries(entries).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
    return [
      card("Versions", { class: "versions" }, list(summary.versions || { puzzlecell: run.version })),
      card("Images and licences", { class: "attribution" }, summary.attribution ? list(summary.attribution) : null,
        summary.licence ? h("details", {}, h("summary", {}, "Licence of the weights"), h("pre", { tabindex: "0" }, summary.licence))
          : h("p", { class: "faint" }, "No licence of the weights was given.")),
    ];
  }

  async function show(main, state) {
    const { run } = puzzlecell;
    const summary = run.summary || {};
    const named = run.datasets.some(({ name }) => name === state.ds);
    const dataset = named ? state.ds : run.datasets[0].name;
    const perSet = h("div", { class: "columns" });
    const paint = (name) => perSet.replaceChildren(...[
      h("div", { class: "stack" }, scoreChart(summary, name), card("Where to go next", { class: "go" }, next(run, name))),
      classChart(run, summary, name)].filter(Boolean));
    paint(dataset);
    const change = (name) => {
      puzzlecell.route.go("/", { ds: name }, { replace: true, now: true });
      paint(name);
    };
    main.append(...[await warnings(summary),
      h("div", { class: "lead" }, facts(run, summary), chooser(run, dataset, change)),
      perSet, datasets(run, summary), rejectedFields(summary), trainings(summary), settings(summary),
      h("div", { class: "columns" }, provenance(run, summary))].filter(Boolean));
  }

  puzzlecell.pages.push({ name: "overview", path: "/", title: "Overview", tab: true, show });
  puzzlecell.overview = { card, said, percent, cells, intervalText };
})();
