"use strict";
// Tables of grades as text: cell_labels.csv, in the format that training reads (docs/file-formats.md).
(() => {
  const COLUMNS = ["ID", "cell", "y", "x", "class", "grade", "annotator", "area_px", "centroid_y", "centroid_x", "queue"];
  const QUEUES = ["uncertain", "disagree", "rare", "random"];
  const NEEDED = ["ID", "cell", "class", "grade"];

  const quoted = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",;\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };

  // Text of a table: a line per grade.
  function write(grades) {
    const rows = grades.map((grade) => COLUMNS.map((name) => quoted(grade[name])).join(","));
    return [COLUMNS.join(","), ...rows, ""].join("\n");
  }

  // Rows of values of a CSV text: [{ line, values }]. Raises an error for a quote that is never closed.
  function rows(text, separator) {
    const found = [];
    let [values, value, inside, line, start] = [[], "", false, 1, 1];
    const end = () => {
      values.push(value);
      if (values.length > 1 || values[0] !== "") found.push({ line: start, values });
      [values, value] = [[], ""];
    };
    for (let i = 0; i < text.length; i++) {
      const sign = text[i];
      if (sign === "\n") line++;
      if (inside) {
        if (sign !== '"') value += sign;
        else if (text[i + 1] === '"') value += text[++i];
        else inside = false;
      } else if (sign === '"' && value === "") inside = true;
      else if (sign === separator) {
        values.push(value);
        value = "";
      } else if (sign === "\n") {
        end();
        start = line;
      } else if (sign !== "\r") value += sign;
    }
    if (inside) throw new Error(`line ${start}: a double quote is never closed`);
    if (value !== "" || values.length) end();
    return found;
  }

  const numberOr = (text) => (text === undefined || text.trim() === "" ? null : Number(text));

  // Read a table: { grades: [grade with its line], problems: [texts that name a line] }. classes: names; a class may also be
  // given by its number. Raises an error if the table lacks a column.
  function read(text, classes) {
    const plain = text.replace(/^\ufeff/, "");
    const header = plain.split("\n", 1)[0];
    const separator = [",", ";", "\t"].find((sign) => NEEDED.every((name) => header.split(sign)
      .map((part) => part.trim().replace(/^"|"$/g, "")).includes(name)));
    if (!separator) throw new Error(`the first line lacks one of the columns ${NEEDED.join(", ")}`);
    const [{ values: names }, ...lines] = rows(plain, separator);
    const grades = [];
    const problems = [];
    for (const { line, values } of lines) {
      const row = Object.fromEntries(names.map((name, k) => [name.trim(), (values[k] ?? "").trim()]));
      const found = /^\d+$/.test(row.class) && !classes.includes(row.class) ? classes[Number(row.class)] : row.class;
      const wrong = [];
      if (values.length !== names.length) wrong.push(`${values.length} values, the first line has ${names.length}`);
      else {
        if (!row.ID) wrong.push("no ID");
        if (!/^[1-9]\d*$/.test(row.cell)) wrong.push(`cell "${row.cell}"; expected the number of a cell`);
        if (!classes.includes(found)) wrong.push(`class "${row.class}" is no class of this view`);
        if (!/^[1-5]$/.test(row.grade)) wrong.push(`grade "${row.grade}"; expected 1 to 5`);
        if (row.queue && !QUEUES.includes(row.queue)) wrong.push(`queue "${row.queue}"; expected ${QUEUES.join(", ")}`);
      }
      if (wrong.length) problems.push(`line ${line}: ${wrong.join("; ")}`);
      else {
        grades.push({ line, ID: row.ID, cell: Number(row.cell), class: found, grade: Number(row.grade),
          annotator: row.annotator || "", queue: row.queue || "", y: numberOr(row.y), x: numberOr(row.x),
          area_px: numberOr(row.area_px), centroid_y: numberOr(row.centroid_y), centroid_x: numberOr(row.centroid_x) });
      }
    }
    return { grades, problems };
  }

  puzzlecell.gradeTable = { COLUMNS, QUEUES, read, write };
})();
