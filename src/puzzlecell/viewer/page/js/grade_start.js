"use strict";
// How grading starts: what the address says of the queue, and who grades.
(() => {
  const { h } = puzzlecell.dom;
  const { QUEUES } = puzzlecell.gradeQueue;

  function understood(state) {
    const { run } = puzzlecell;
    const ds = run.datasets.find((one) => one.name === state.ds) || run.datasets[0];
    const c = /^\d+$/.test(state.class ?? "") && Number(state.class) < run.classes.length ? Number(state.class) : 0;
    return { ds: ds.name, c, queue: Object.hasOwn(QUEUES, state.queue ?? "") ? state.queue : "uncertain",
      probability: state.p === "1", outline: state.outline !== "0" };
  }
  const address = ({ ds, c, queue, probability, outline }) =>
    ({ ds, class: c, queue, p: probability ? 1 : null, outline: outline ? null : 0 });

  // The form that asks for the name, once.
  function asked(place, onname) {
    const input = h("input", { type: "text", required: "", autocomplete: "name", maxlength: 60, "aria-label": "Your name" });
    const form = h("form", { class: "panel grade-who", onsubmit: (event) => {
      event.preventDefault();
      puzzlecell.grades.rename(input.value);
      if (puzzlecell.grades.annotator()) onname();
    } }, h("h2", {}, "Who grades?"),
    h("p", {}, "Your name or initials stand beside each grade, so that the grades of several people can be compared."),
    h("div", { class: "row" }, input, h("button", { class: "main" }, "Begin")));
    place.replaceChildren(form);
    input.value = puzzlecell.grades.annotator();
    input.focus();
  }

  puzzlecell.gradeStart = { understood, address, asked };
})();
