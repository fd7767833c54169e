"use strict";

// Parts of the page that the server sends when they change.

const filters = () => document.querySelectorAll("[data-filters]");

function filter(field) {
  const wanted = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = [...document.querySelectorAll(`#${field.dataset.filters} tbody tr`)];
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !wanted.every(word => text.includes(word));
  }
  const count = wanted.length ? `${rows.filter(row => !row.hidden).length} of ${rows.length}` : "";
  const place = field.closest(".bar").querySelector("output");
  if (place.value !== count) place.value = count;
}

// By part: the column that its table was sorted by, kept when the part is replaced.
const orders = {};

// A number, or a duration such as 33 s, 1:18 min or 1:02:03 h in seconds; else the text.
function measure(text) {
  const clock = text.match(/^(?:(\d+):)?(\d+):(\d\d) (?:min|h)$/);
  if (clock) return 3600 * Number(clock[1] ?? 0) + 60 * Number(clock[2]) + Number(clock[3]);
  return /^[+-]?[\d.,]+(\s[^\d]*)?$/.test(text) ? parseFloat(text.replace(/,/g, "")) : text;
}

function sort(table, {place, down}) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  for (const each of heads) each.removeAttribute("aria-sort");
  heads[place].setAttribute("aria-sort", down ? "descending" : "ascending");
  const rows = [...body.rows].map(row => [measure(row.cells[place].textContent.trim()), row]);
  // Numbers before texts, as what is not known yet is a dash.
  rows.sort(([p], [q]) => typeof p === typeof q ? ((p > q) - (p < q)) * (down ? -1 : 1) : typeof p === "number" ? -1 : 1);
  body.append(...rows.map(([, row]) => row));
}

function replacePart(name, html) {
  const place = document.querySelector(`[data-part="${name}"]`);
  if (!place) return;
  const chosen = new Set([...place.querySelectorAll("input:checked")].map(box => box.value));
  const focused = place.contains(document.activeElement) ? document.activeElement.value : null;
  place.innerHTML = html;
  if (orders[name]) sort(place.querySelector(".sorts"), orders[name]);
  for (const box of place.querySelectorAll("input[type=checkbox]")) {
    box.checked = chosen.has(box.value);
    if (box.value === focused) box.focus();
  }
}

function listen(address) {
  const source = new EventSource(address);
  const connection = document.getElementById("connection");
  source.onopen = () => { connection.hidden = true; };
  source.onerror = () => { connection.hidden = false; };
  source.onmessage = message => {
    connection.hidden = true;
    for (const [name, text] of Object.entries(JSON.parse(message.data))) {
      if (name === "grid" || name.startsWith("row:")) grid?.take(name, JSON.parse(text));
      else replacePart(name, text);
    }
    grid?.draw();
    filters().forEach(filter);
  };
  source.addEventListener("over", () => source.close());
  addEventListener("pagehide", () => source.close());
}

// Logs begin at their newest line, which is their last.

function showNewest(place) {
  for (const log of place.querySelectorAll(".log")) log.scrollTop = log.scrollHeight;
}

// The grid of symbols and windows.

const STAGES = {".": "waiting", t: "teaching", T: "taught", s: "studying", "#": "trained", "-": "skipped", x: "failed"};
const NAMES_PX = 112, AXIS_PX = 18, MOST_SKILL = 500;

class Grid {
  constructor(canvas, data) {
    Object.assign(this, {canvas, ...data, at: null});
    this.status = document.getElementById("grid-cell");
    this.legend = document.getElementById("grid-legend");
    canvas.addEventListener("mousemove", event => this.point(this.place(event)));
    canvas.addEventListener("click", event => { this.point(this.place(event)); this.open(); });
    canvas.addEventListener("keydown", event => this.key(event));
    document.querySelectorAll("input[name=colours]").forEach(each =>
      each.addEventListener("change", () => this.draw()));
    // Also on paper, which is light.
    for (const each of ["(prefers-color-scheme: dark)", "print"]) matchMedia(each).addEventListener("change", () => this.draw());
    addEventListener("resize", () => this.draw());
    this.draw();
  }

  get by() { return document.querySelector("input[name=colours]:checked").value; }

  get symbols() { return Object.keys(this.rows).sort(); }

  take(name, value) {
    if (name === "grid") this.columns = value;
    else this.rows[name.slice(4)] = value;
  }

  measure() {
    const room = Math.max(this.canvas.parentElement.clientWidth - NAMES_PX, 60);
    this.width = Math.max(Math.min(room / Math.max(this.columns.length, 1), 56), 2);
    this.height = Math.max(Math.min(900 / Math.max(this.symbols.length, 1), 20), 3);
  }

  colour(style, stage, skill) {
    if (stage === " ") return null;
    if (this.by === "stage" || STAGES[stage] === "failed") return style.getPropertyValue(`--${STAGES[stage]}`);
    if (skill === null || skill === undefined) return style.getPropertyValue("--waiting");
    return style.getPropertyValue(skill < 0 ? "--loss" : "--gain");
  }

  draw() {
    const {canvas} = this, symbols = this.symbols;
    if (!symbols.length) return;
    this.measure();
    const style = getComputedStyle(canvas), ratio = devicePixelRatio || 1;
    const size = [NAMES_PX + this.width * this.columns.length, AXIS_PX + this.height * symbols.length];
    [canvas.width, canvas.height] = size.map(each => Math.ceil(each * ratio));
    [canvas.style.width, canvas.style.height] = size.map(each => `${each}px`);
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = `12px ${style.fontFamily}`;
    pen.textBaseline = "middle";
    const ink = style.getPropertyValue("--ink"), gap = this.width >= 6 && this.height >= 6 ? 1 : 0;
    const every = Math.max(Math.ceil(13 / this.height), 1), wide = Math.max(Math.ceil(74 / this.width), 1);
    pen.fillStyle = ink;
    this.columns.forEach((day, x) => {
      const left = NAMES_PX + x * this.width;
      if (x % wide === 0 && (x === 0 || left + pen.measureText(day).width <= size[0])) pen.fillText(day, left, AXIS_PX / 2);
    });
    symbols.forEach((symbol, y) => {
      const [stages, skills] = this.rows[symbol], top = AXIS_PX + y * this.height;
      pen.globalAlpha = 1;
      if (y % every === 0) {
        pen.fillStyle = ink;
        pen.fillText(symbol in this.few ? `${symbol} (few bars)` : symbol, 0, top + this.height / 2, NAMES_PX - 8);
      }
      for (let x = 0; x < stages.length; x++) {
        const colour = this.colour(style, stages[x], skills[x]);
        if (!colour) continue;
        const left = NAMES_PX + x * this.width;
        pen.globalAlpha = this.by === "skill" && skills[x] !== null ? Math.min(.2 + .8 * Math.abs(skills[x]) / MOST_SKILL, 1) : 1;
        pen.fillStyle = colour;
        pen.fillRect(left, top, this.width - gap, this.height - gap);
        if (symbol in this.few && gap) {
          pen.globalAlpha = .7;
          pen.fillStyle = style.getPropertyValue("--paper");
          for (let stripe = 3; stripe < this.width - gap; stripe += 6) pen.fillRect(left + stripe, top, 1, this.height - gap);
        }
      }
    });
    pen.globalAlpha = 1;
    if (this.at) {
      const y = symbols.indexOf(this.at.symbol);
      pen.strokeStyle = ink;
      pen.lineWidth = 2;
      pen.strokeRect(NAMES_PX + this.at.x * this.width, AXIS_PX + y * this.height, Math.max(this.width - gap, 3), Math.max(this.height - gap, 3));
    }
    const has = letter => symbols.some(symbol => this.rows[symbol][0].includes(letter));
    this.legend.textContent = this.by === "skill" ? `blue: better than the ${this.canvas.dataset.baseline}; orange: worse; pale: about equal; strong: 5 % or more; grey: no score${has("x") ? "; red: failed" : ""}` : "";
    const few = Object.entries(this.few);
    if (few.length && this.by === "stage") this.legend.textContent = `striped: few bars (${few.map(([name, count]) => `${name} ${count}`).join(", ")})`;
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [Math.floor((event.clientX - box.left - NAMES_PX) / this.width), Math.floor((event.clientY - box.top - AXIS_PX) / this.height)];
  }

  point([x, y]) {
    const symbol = this.symbols[y];
    if (symbol === undefined || x < 0 || x >= this.columns.length || this.rows[symbol][0][x] === " ") return false;
    if (this.at && this.at.x === x && this.at.symbol === symbol) return true;
    this.at = {x, symbol};
    const [stages, skills] = this.rows[symbol], skill = skills[x];
    const score = skill === null || skill === undefined ? "" : `, skill ${skill > 0 ? "+" : ""}${(skill / 100).toFixed(2)} %`;
    this.status.textContent = `${symbol} from ${this.columns[x]}: ${STAGES[stages[x]]}${score}`;
    this.draw();
    return true;
  }

  key(event) {
    const step = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    if (event.key === "Enter" && this.at) this.open();
    else if (step) {
      let [x, y] = this.at ? [this.at.x, this.symbols.indexOf(this.at.symbol)] : [-step[0], -step[1]];
      do { x += step[0]; y += step[1]; } while (x >= 0 && y >= 0 && x < this.columns.length && y < this.symbols.length && !this.point([x, y]));
    } else return;
    event.preventDefault();
  }

  async open() {
    if (!this.at) return;
    const {symbol, x} = this.at, dialog = document.getElementById("window");
    const address = `/runs/${this.canvas.dataset.run}/windows/${encodeURIComponent(symbol)}/${this.columns[x]}`;
    const answer = await fetch(address);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const details = page.getElementById("details") ?? page.querySelector("main");
    dialog.querySelector("div").replaceChildren(details);
    if (!dialog.open) dialog.showModal();
    showNewest(dialog);
  }
}

// A report's frame is as high as its page, which tells its height; it may be read by no other means.

addEventListener("message", event => {
  const frame = [...document.querySelectorAll("iframe")].find(each => each.contentWindow === event.source);
  const height = Number(event.data?.height), top = Number(event.data?.top);
  if (frame && height > 0) frame.style.height = `${height + 2}px`;
  if (frame && top >= 0) scrollTo(0, frame.getBoundingClientRect().top + scrollY + top);
});
for (const frame of document.querySelectorAll("iframe")) frame.contentWindow.postMessage("height", "*");

let grid = null;

// Tables that are sorted by a click on a heading.

function sortBy(event) {
  const head = event.target.closest(".sorts thead th");
  if (!head) return;
  const order = {place: head.cellIndex, down: head.getAttribute("aria-sort") !== "descending"};
  const part = head.closest("[data-part]");
  if (part) orders[part.dataset.part] = order;
  sort(head.closest("table"), order);
}

document.addEventListener("click", sortBy);
// On a phone the button that compares stays in sight while two runs are chosen.
document.getElementById("choice")?.addEventListener("change", event => {
  event.currentTarget.classList.toggle("pair", event.currentTarget.querySelectorAll("input:checked").length === 2);
});
document.addEventListener("keydown", event => { if (event.key === "Enter") sortBy(event); });

showNewest(document);
filters().forEach(field => field.addEventListener("input", () => filter(field)));
const data = document.getElementById("grid-data");
if (data) grid = new Grid(document.getElementById("grid"), JSON.parse(data.textContent));
if (document.body.dataset.stream) listen(document.body.dataset.stream);
