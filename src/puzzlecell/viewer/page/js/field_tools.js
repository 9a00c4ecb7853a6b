"use strict";
// The row of tools above the picture of a field.
(() => {
  const { h } = puzzlecell.dom;

  const button = (text, title, onclick, more = {}) =>
    h("button", { type: "button", class: "small", title, onclick, ...more }, text);

  // Copy a text; where the browser does not allow it, show it marked, ready to be copied.
  async function copy(text, answer) {
    try {
      await navigator.clipboard.writeText(text);
      answer.replaceChildren("Copied.");
    } catch {
      const shown = h("input", { type: "text", readonly: "", value: text, "aria-label": "Link to this view" });
      answer.replaceChildren(shown);
      shown.select();
    }
  }

  // see: what is seen (read only); set(change): change it; field(): the field; modes(): ways to colour outlines;
  // step(by), go(data set, id), zoom(factor), fit(), address(). Returns {element, zooms, update(),
  // say(text)}.
  function tools({ see, set, field, modes, step, go, zoom, fit, address }) {
    const { run } = puzzlecell;
    const answer = h("span", { class: "answer", role: "status" });
    const title = h("strong", { class: "field-name" });
    const position = h("span", { class: "faint" });
    const dataset = h("select", {
      "aria-label": "Data set", title: "Data set", onchange: (event) => go(event.target.value, ""),
    }, run.datasets.map((one) => h("option", { value: one.name }, one.name)));
    const wanted = h("input", {
      type: "search", class: "field-search", placeholder: "ID of a field", "aria-label": "Go to the field with this ID",
    });
    const search = h("form", {
      class: "field-form", onsubmit: (event) => { event.preventDefault(); go(field().dataset, wanted.value.trim()); },
    }, wanted);
    const colour = h("select", {
      class: "field-colour", title: "What colours and labels the outlines", onchange: (event) => set({ colour: event.target.value }),
    });
    const chosen = h("select", {
      title: "Class whose probability and activation map are shown",
      onchange: (event) => set({ class: event.target.value === "" ? null : Number(event.target.value) }),
    }, h("option", { value: "" }, "no class"),
    run.classes.map((name, index) => h("option", { value: index }, `${index} ${name}`)));
    const checks = [["outlines", "Outlines"], ["nuclei", "Nuclei"], ["labels", "Labels"]].map(([name, text]) => {
      const input = h("input", { type: "checkbox", onchange: (event) => set({ [name]: event.target.checked }) });
      return [name, input, h("label", { class: "check" }, input, ` ${text}`)];
    });
    const element = h("div", { class: "field-tools", role: "toolbar", "aria-label": "Field" },
      run.datasets.length > 1 ? dataset : null,
      button("◀", "Previous field (p)", () => step(-1), { "aria-label": "Previous field" }),
      title,
      button("▶", "Next field (n)", () => step(1), { "aria-label": "Next field" }),
      position, search,
      h("label", {}, "Outlines by ", colour), h("label", {}, "Class ", chosen),
      checks.map(([, , label]) => label),
      h("span", { class: "tools-end" }, answer,
        button("Copy link", "Copy a link that leads back to exactly this view", () => copy(address(), answer))));
    const zooms = h("div", { class: "field-zooms", role: "group", "aria-label": "Zoom" },
      button("−", "Zoom out (-)", () => zoom(1 / 1.4), { "aria-label": "Zoom out" }),
      button("+", "Zoom in (+)", () => zoom(1.4), { "aria-label": "Zoom in" }),
      button("Whole field", "Show the whole field (0)", fit));

    function update() {
      const { dataset: name, id } = field();
      dataset.value = name;
      title.textContent = id;
      title.title = `ID of the field: ${id}`;
      const of = puzzlecell.fields.described(name).fields;
      position.textContent = `${puzzlecell.fields.position(field())} of ${of}`;
      position.title = `Fields of the data set ${name}`;
      const usable = modes();
      colour.replaceChildren(...usable.map(([mode, text]) => h("option", { value: mode }, text)));
      colour.value = usable.some(([mode]) => mode === see.colour) ? see.colour : "top";
      chosen.value = see.class === null ? "" : String(see.class);
      for (const [flag, input] of checks) input.checked = see[flag];
      answer.replaceChildren();
    }
    return { element, zooms, update, say: (text) => answer.replaceChildren(text) };
  }

  puzzlecell.fieldTools = tools;
})();
