"use strict";
// A field on two canvases, pictures below and outlines above, with zoom and pan.
(() => {
  const { h } = puzzlecell.dom;
  const LARGEST_ZOOM = 32; // pixels of the screen per pixel of the field

  // onview(view): called after the user has zoomed or moved; onselect(row or null): after a click.
  puzzlecell.fieldCanvas = ({ onview, onselect, describe }) => {
    const picture = h("canvas", { class: "field-picture", "aria-hidden": "true" });
    const lines = h("canvas", { class: "field-lines", "aria-hidden": "true" });
    const bar = h("div", { class: "scale-bar" });
    const tip = h("div", { class: "field-tip", hidden: true });
    const element = h("div", {
      class: "field-stage", tabindex: 0, role: "application", "aria-label": "Picture of the field with outlined cells",
    }, picture, lines, bar, tip);
    // view.zoom: pixels of the screen per raw pixel, null to fit the whole field; x, y: raw pixel in the middle.
    const view = { zoom: null, x: 0, y: 0 };
    let field = null;
    let drawn = {
      pixels: null, cam: null, opacity: 0, outlines: [], lines: true, labels: true, nuclei: true, mark: null,
    };
    let selected = null;
    let frame = 0;
    let smallest = 0;

    const fit = () => Math.min(element.clientWidth / field.width, element.clientHeight / field.height) || 1;
    const zoom = () => view.zoom || fit();
    const toRaw = (x, y) =>
      [view.x + (x - element.clientWidth / 2) / zoom(), view.y + (y - element.clientHeight / 2) / zoom()];

    function draw() {
      if (!frame && field) {
        frame = requestAnimationFrame(() => {
          frame = 0;
          if (!element.isConnected) return;
          smallest = fit() / 2;
          drawPicture();
          drawLines();
          drawBar();
        });
      }
    }

    // The canvas at the screen's resolution, with raw pixels as coordinates.
    function prepared(canvas) {
      const scale = devicePixelRatio || 1;
      const width = Math.round(element.clientWidth * scale);
      const height = Math.round(element.clientHeight * scale);
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
      const context = canvas.getContext("2d");
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(0, 0, width, height);
      const factor = zoom() * scale;
      context.setTransform(factor, 0, 0, factor, width / 2 - view.x * factor, height / 2 - view.y * factor);
      return context;
    }

    function drawPicture() {
      const context = prepared(picture);
      context.fillStyle = "#000";
      context.fillRect(0, 0, field.width, field.height);
      context.imageSmoothingQuality = "high";
      for (const { canvas, x, y, width, height } of drawn.pixels || []) context.drawImage(canvas, x, y, width, height);
      if (drawn.cam) {
        context.globalCompositeOperation = "lighter";
        context.globalAlpha = drawn.opacity;
        context.drawImage(drawn.cam, 0, 0, field.width, field.height);
        context.globalAlpha = 1;
        context.globalCompositeOperation = "source-over";
      }
    }

    function visible({ box }) {
      const [left, top] = toRaw(0, 0);
      const [right, bottom] = toRaw(element.clientWidth, element.clientHeight);
      return box[1] < right && box[3] > left && box[0] < bottom && box[2] > top;
    }

    function drawLines() {
      const context = prepared(lines);
      const unit = 1 / zoom();
      const dashes = (pattern) => context.setLineDash(pattern.map((length) => length * unit));
      const stroke = (path, colour, width, pattern) => {
        dashes(pattern);
        Object.assign(context, { strokeStyle: colour, lineWidth: width * unit });
        context.stroke(path);
      };
      context.lineJoin = "round";
      const shown = drawn.outlines.filter((outline) => visible(outline) && (drawn.lines || outline.row === selected));
      shown.sort((one, other) => (one.row === selected) - (other.row === selected));
      for (const outline of shown) {
        const chosen = outline.row === selected;
        stroke(outline.cell, "rgba(0,0,0,.65)", chosen ? 7 : 3.5, []);
        if (chosen) stroke(outline.cell, "#fff", 5, []);
        stroke(outline.cell, outline.colour, chosen ? 2.5 : 1.6, outline.dash);
        if (drawn.nuclei) stroke(outline.nucleus, outline.colour, 1, outline.dash);
      }
      if (drawn.mark) drawMark(stroke, ...drawn.mark);
      if (drawn.labels && drawn.lines) for (const outline of shown) drawLabel(context, outline);
    }

    function drawMark(stroke, x, y) {
      const arm = 14 / zoom();
      const cross = new Path2D();
      cross.moveTo(x - arm, y);
      cross.lineTo(x + arm, y);
      cross.moveTo(x, y - arm);
      cross.lineTo(x, y + arm);
      stroke(cross, "#000", 5, []);
      stroke(cross, "#fff", 2, []);
    }

    // The long label where it fits into the cell, else the short one; none where even that is too wide.
    function drawLabel(context, { box, centre, label, long, row }) {
      const room = (box[3] - box[1]) * zoom();
      if (room < 22 && row !== selected) return;
      const scale = devicePixelRatio || 1;
      const transform = context.getTransform();
      const { x, y } = transform.transformPoint({ x: centre[1], y: centre[0] });
      context.setTransform(scale, 0, 0, scale, x, y);
      context.font = "600 12px system-ui, sans-serif";
      const text = context.measureText(long).width + 8 < room ? long : label;
      const width = context.measureText(text).width + 8;
      if (width > room + 8 && row !== selected) {
        context.setTransform(transform);
        return;
      }
      context.fillStyle = "rgba(0,0,0,.6)";
      context.fillRect(-width / 2, -9, width, 18);
      context.fillStyle = "#fff";
      context.textAlign = "center";
      context.textBaseline = "middle";
      context.fillText(text, 0, 0.5);
      context.setTransform(transform);
    }

    function drawBar() {
      const unit = Number.isNaN(field.pixel) ? 1 : field.pixel;
      const most = 150 * unit / zoom();
      const tenth = 10 ** Math.floor(Math.log10(most));
      const length = [5, 2, 1].map((digit) => digit * tenth).find((one) => one <= most);
      bar.style.width = `${length / unit * zoom()}px`;
      bar.textContent = `${Number(length.toPrecision(1))} ${Number.isNaN(field.pixel) ? "px" : "µm"}`;
      bar.title = Number.isNaN(field.pixel)
        ? "Scale bar in pixels of the field, whose pixel size is not known"
        : `Scale bar; a pixel of the field is ${field.pixel.toFixed(4)} µm`;
    }

    function hit(x, y) {
      const inBox = ({ box }) => y >= box[0] && y < box[2] && x >= box[1] && x < box[3];
      const { inside } = puzzlecell.fieldOutlines;
      const found = drawn.outlines.find((outline) => inBox(outline) && inside(outline.rings, x, y));
      return found ? found.row : null;
    }

    // Zoom by a factor, with the given point of the screen (default: the middle) staying where it is.
    function zoomBy(factor, x = element.clientWidth / 2, y = element.clientHeight / 2) {
      const [rawX, rawY] = toRaw(x, y);
      const wanted = Math.min(Math.max(zoom() * factor, smallest), LARGEST_ZOOM);
      const [offsetX, offsetY] = [x - element.clientWidth / 2, y - element.clientHeight / 2];
      moved({ zoom: wanted, x: rawX - offsetX / wanted, y: rawY - offsetY / wanted });
    }

    const panBy = (dx, dy) => moved({ zoom: zoom(), x: view.x + dx / zoom(), y: view.y + dy / zoom() });
    const fitted = () => ({ zoom: null, x: field.width / 2, y: field.height / 2 });

    function moved(next) {
      set(next);
      onview({ ...view });
    }

    // Rounded as the address holds it, so that a link shows the same to the last pixel.
    function set(next) {
      view.zoom = next.zoom === null ? null : Number(next.zoom.toPrecision(6));
      view.x = Number(Math.min(Math.max(next.x, 0), field.width).toFixed(3));
      view.y = Number(Math.min(Math.max(next.y, 0), field.height).toFixed(3));
      draw();
    }

    // Bring a cell into sight if it is not.
    function reveal(row) {
      const outline = drawn.outlines.find((one) => one.row === row);
      if (!outline) return;
      const [left, top] = toRaw(0, 0);
      const [right, bottom] = toRaw(element.clientWidth, element.clientHeight);
      const [y, x] = outline.centre;
      if (x < left || x > right || y < top || y > bottom) moved({ zoom: zoom(), x, y });
    }

    listenToPointer(element, {
      zoomBy, panBy,
      click: (x, y) => onselect(hit(...toRaw(x, y))),
      hover: (x, y) => {
        const row = x === null ? null : hit(...toRaw(x, y));
        tip.hidden = row === null;
        if (row === null) return;
        tip.textContent = describe(row);
        Object.assign(tip.style, { left: `${Math.min(x + 14, element.clientWidth - 180)}px`, top: `${y + 14}px` });
      },
    });
    const observer = new ResizeObserver(draw);
    observer.observe(element);

    return {
      element, zoomBy, panBy, reveal,
      fit: () => moved(fitted()),
      // A field {height, width, pixel} and the view to begin with (null: the whole field).
      open: (next, begin) => { field = next; set(begin || fitted()); },
      // What is drawn: pixels (list of {canvas, x, y, width, height}), cam, opacity, outlines,
      // lines (whether outlines are drawn; that of the chosen cell always is), labels, nuclei, mark.
      update: (next) => { drawn = { ...drawn, ...next }; draw(); },
      select: (row) => { selected = row; draw(); },
      // The raw pixel [y, x] in the middle of what is seen.
      middle: () => [view.y, view.x],
      close: () => observer.disconnect(),
    };
  };

  // Wheel, drag, click, double click and hover, in pixels of the element.
  function listenToPointer(element, { zoomBy, panBy, click, hover }) {
    let start = null;
    let last = null;
    const place = (event) => {
      const { left, top } = element.getBoundingClientRect();
      return [event.clientX - left, event.clientY - top];
    };
    element.addEventListener("wheel", (event) => {
      event.preventDefault();
      zoomBy(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...place(event));
    }, { passive: false });
    element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      start = last = place(event);
      element.setPointerCapture(event.pointerId);
    });
    element.addEventListener("pointermove", (event) => {
      const [x, y] = place(event);
      if (start === null) { hover(x, y); return; }
      if (Math.hypot(x - start[0], y - start[1]) > 4) element.classList.add("dragged");
      if (element.classList.contains("dragged")) panBy(last[0] - x, last[1] - y);
      last = [x, y];
    });
    const end = (event) => {
      const pressed = start !== null && !element.classList.contains("dragged");
      if (pressed && event.type === "pointerup") click(...place(event));
      start = null;
      element.classList.remove("dragged");
    };
    element.addEventListener("pointerup", end);
    element.addEventListener("pointercancel", end);
    element.addEventListener("pointerleave", () => hover(null));
    element.addEventListener("dblclick", (event) => zoomBy(event.shiftKey ? 0.5 : 2, ...place(event)));
  }
})();
