"use strict";
(() => {
  const STEP = 200; // rows drawn at once: more make scrolling slow

  function element(name, text, parent) {
    const made = document.createElement(name);
    if (text !== "") made.textContent = text;
    parent.append(made);
    return made;
  }

  function spoken(value) {
    if (value === null) return "";
    if (typeof value === "boolean") return value ? "yes" : "no";
    if (typeof value !== "number") return value;
    return Number.isInteger(value) ? value.toLocaleString("en") : String(Number(value.toPrecision(3)));
  }

  function compared(a, b) {
    if (a === null || b === null) return (a === null) - (b === null);
    return typeof a === "number" ? a - b : a < b ? -1 : a > b ? 1 : 0;
  }

  class Rows {
    constructor(place, told) {
      this.told = told;
      this.sort = null;
      this.shown = STEP;
      this.chosen = new Map();
      const tools = element("div", "", place);
      tools.className = "tools";
      this.search = this.input(tools);
      for (const name of told.choose) this.select(tools, name);
      this.count = element("span", "", tools);
      this.count.setAttribute("role", "status");
      this.table = element("table", "", place);
      this.more = element("button", "Show more", place);
      this.more.addEventListener("click", () => { this.shown += STEP; this.draw(); });
      this.head();
      this.body = element("tbody", "", this.table);
      this.draw();
    }

    input(tools) {
      const label = element("label", "Filter ", tools);
      const made = element("input", "", label);
      made.type = "search";
      made.addEventListener("input", () => { this.shown = STEP; this.draw(); });
      return made;
    }

    select(tools, name) {
      const label = element("label", name.replaceAll("_", " ") + " ", tools);
      const made = element("select", "", label);
      const at = this.told.columns.indexOf(name);
      element("option", "all", made).value = "";
      for (const value of [...new Set(this.told.rows.map((row) => spoken(row[at])))].sort()) {
        element("option", value === "" ? "none" : value, made).value = "=" + value;
      }
      made.addEventListener("change", () => {
        if (made.value === "") this.chosen.delete(at); else this.chosen.set(at, made.value.slice(1));
        this.shown = STEP;
        this.draw();
      });
    }

    head() {
      const row = element("tr", "", element("thead", "", this.table));
      this.told.columns.forEach((name, at) => {
        const cell = element("th", "", row);
        cell.scope = "col";
        element("button", name.replaceAll("_", " "), cell).addEventListener("click", () => {
          this.sort = { at, sign: this.sort && this.sort.at === at ? -this.sort.sign : 1 };
          for (const other of row.children) other.removeAttribute("aria-sort");
          cell.setAttribute("aria-sort", this.sort.sign > 0 ? "ascending" : "descending");
          this.draw();
        });
      });
    }

    wanted() {
      const words = this.search.value.toLowerCase();
      const rows = this.told.rows.filter((row) =>
        [...this.chosen].every(([at, value]) => spoken(row[at]) === value)
        && (words === "" || row.some((value) => spoken(value).toLowerCase().includes(words))));
      const sort = this.sort;
      return sort === null ? rows : rows.slice().sort((a, b) => sort.sign * compared(a[sort.at], b[sort.at]));
    }

    draw() {
      const rows = this.wanted();
      this.body.replaceChildren();
      for (const row of rows.slice(0, this.shown)) {
        const line = element("tr", "", this.body);
        for (const value of row) {
          const cell = element("td", spoken(value), line);
          if (typeof value === "number") cell.className = "number";
        }
      }
      const drawn = Math.min(rows.length, this.shown);
      this.count.textContent = `${drawn.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows shown, `
        + `${this.told.rows.length.toLocaleString("en")} in all`;
      this.more.hidden = drawn === rows.length;
    }
  }

  for (const script of document.querySelectorAll("script[data-rows]")) {
    new Rows(document.getElementById("rows-" + script.dataset.rows), JSON.parse(script.textContent));
  }
})();
