// Sortable tables whose rows and cells live as long as what they show, so that focus, selection and a reader's place
// survive an update. Whatever comes from outside becomes text, never markup.

export function element(name, attributes = {}, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.append(...children);
  return e;
}

export function set_text(e, text) {
  if (e.textContent !== text) e.textContent = text;
}

export function set_tone(e, tone) {
  if (e.dataset.tone !== tone) e.dataset.tone = tone;
}

const collator = new Intl.Collator("en", { numeric: true });

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return collator.compare(String(a ?? ""), String(b ?? ""));
}

// The keyboard gets to what has to be scrolled, and to nothing else.
function let_scroll(region) {
  if (region.scrollWidth > region.clientWidth) region.tabIndex = 0;
  else if (document.activeElement !== region) region.removeAttribute("tabindex");
}

// A column: title; value(row), what it is sorted by and, as text, what it shows; text(row) shows something else;
// fill(cell, row) draws the cell itself; number: true for the right side. The first column names the row.
export class Table {
  constructor(place, caption, columns, { sort = 0, descending = false, empty = "Nothing yet" } = {}) {
    this.columns = columns;
    this.sort = sort;
    this.descending = descending;
    this.rows = new Map();
    this.body = element("tbody");
    this.heads = columns.map((c, i) => this.make_head(c, i));
    const title = element("caption", {}, caption);
    const table = element("table", {}, title, element("thead", {}, element("tr", {}, ...this.heads)), this.body);
    const region = element("div", { class: "scroll", role: "region", "aria-label": caption }, table);
    place.append(region);
    const watch = new ResizeObserver(() => let_scroll(region));
    watch.observe(region);
    watch.observe(table);
    this.nothing = element("tr", {}, element("td", { class: "empty", colspan: String(columns.length) }, empty));
    this.body.append(this.nothing);
    this.show_order();
  }

  make_head(column, index) {
    const button = element("button", { type: "button" }, column.title);
    button.addEventListener("click", () => {
      this.descending = this.sort === index ? !this.descending : Boolean(column.number);
      this.sort = index;
      this.show_order();
      this.arrange();
    });
    return element("th", { scope: "col", ...(column.number && { class: "number" }) }, button);
  }

  show_order() {
    this.heads.forEach((head, i) => {
      if (i === this.sort) head.setAttribute("aria-sort", this.descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
  }

  make_row() {
    const cells = this.columns.map((c, i) => {
      const kind = [c.number && "number", c.style].filter(Boolean).join(" ");
      return element(i === 0 ? "th" : "td", { ...(i === 0 && { scope: "row" }), ...(kind && { class: kind }) });
    });
    return { line: element("tr", {}, ...cells), cells };
  }

  // Rows are [key, data]; keys are unique.
  update(rows) {
    const seen = new Set();
    for (const [key, data] of rows) {
      seen.add(key);
      let row = this.rows.get(key);
      if (!row) this.rows.set(key, (row = this.make_row()));
      row.data = data;
      this.columns.forEach((c, i) => {
        if (c.fill) c.fill(row.cells[i], data);
        else set_text(row.cells[i], String((c.text ?? c.value)(data)));
      });
    }
    for (const [key, row] of this.rows)
      if (!seen.has(key)) {
        row.line.remove();
        this.rows.delete(key);
      }
    this.arrange();
  }

  arrange() {
    const by = this.columns[this.sort].value;
    const sign = this.descending ? -1 : 1;
    const order = [...this.rows.values()].sort((a, b) => sign * compare(by(a.data), by(b.data)));
    if (order.length === 0) {
      if (!this.nothing.isConnected) this.body.append(this.nothing);
      return;
    }
    this.nothing.remove();
    order.forEach((row, i) => {
      if (this.body.children[i] !== row.line) this.body.insertBefore(row.line, this.body.children[i] ?? null);
    });
  }
}
