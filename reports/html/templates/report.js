"use strict";
// The report's page: filters, plots of cases, and the gallery. No library, no network; works from a disk.
// Names and reasons come from outside: they enter the page as text nodes and attributes only, never as HTML.

const D = JSON.parse(document.getElementById("data").textContent);
const COLOURS = ["--c0", "--c1", "--c2", "--c3", "--c4", "--c5"];
const SVG = "http://www.w3.org/2000/svg";
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
const $ = (id) => document.getElementById(id);

// ---------------------------------------------------------------- elements

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}
const make = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const draw = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

function chooser(title, options, value, change) {
  const select = make("select", { onchange: () => change(select.value) });
  for (const option of options) {
    const [key, text] = Array.isArray(option) ? option : [option, option];
    select.append(make("option", { value: key }, text));
  }
  select.value = value;
  return make("label", {}, title, select);
}

// The square window around a box of shares (left, top, right, bottom) with some room, as transform-origin and scale.
function around([left, top, right, bottom]) {
  const side = Math.min(1, 1.3 * Math.max(right - left, bottom - top, 0.1));
  const origin = (low, high) => (side === 1 ? 0.5 : Math.min(1, Math.max(0, ((low + high - side) / 2) / (1 - side))));
  return { scale: 1 / side, x: origin(left, right), y: origin(top, bottom) };
}

const number = (value) =>
  value == null ? "-" : Math.abs(value) >= 1000 ? value.toFixed(0) : value.toFixed(Math.abs(value) < 0.1 ? 4 : 3);
const signed = (value) => (value > 0 ? "+" : "") + number(value);
const byName = new Intl.Collator("en", { numeric: true }).compare; // d2 before d10
const distinct = (values) => [...new Set(values)].sort(byName);
const colour = (methods, method) => `var(${COLOURS[Math.max(0, methods.indexOf(method)) % COLOURS.length]})`;

// ---------------------------------------------------------------- numbers

function valueOf(entry, method, metric) {
  const values = entry.values[method];
  const index = D.suites[entry.suite].metrics.indexOf(metric);
  return values && index >= 0 ? values[index] : null;
}

// A case's paired difference from the baseline, and the same with gains positive.
function deltaOf(entry, method, metric) {
  const base = valueOf(entry, D.suites[entry.suite].baseline, metric);
  const own = valueOf(entry, method, metric);
  return base == null || own == null ? null : own - base;
}
function gainOf(entry, method, metric) {
  const delta = deltaOf(entry, method, metric);
  return delta == null ? null : D.metrics[metric].up ? delta : -delta;
}
const rivals = (suite) => D.suites[suite].methods.filter((method) => method !== D.suites[suite].baseline);
const failed = (entry) => entry.tiles.some((tile) => tile.status !== "ok");

// ---------------------------------------------------------------- state, which stands in the address

const suiteNames = Object.keys(D.suites);
const start = { suite: suiteNames[0] || "", identity: "", driving: "", status: "", method: "", metric: "", sort: "loss", q: "" };
const state = { ...start };

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const name of Object.keys(start)) if (given.has(name)) state[name] = given.get(name);
  if (state.suite !== "" && !D.suites[state.suite]) state.suite = start.suite;
  return given.get("case");
}
function writeAddress(caseId) {
  const told = Object.entries(state).filter(([name, value]) => value !== start[name]);
  if (caseId) told.push(["case", caseId]);
  history.replaceState(null, "", "#" + new URLSearchParams(told));
}
function metricNow() {
  const metrics = D.suites[state.suite]?.metrics || [];
  return metrics.includes(state.metric) ? state.metric : metrics[0];
}
function methodNow() {
  const methods = rivals(state.suite);
  return methods.includes(state.method) ? state.method : methods[0] || D.suites[state.suite].methods[0];
}

function chosen() {
  const words = state.q.toLowerCase();
  const found = D.cases.filter(
    (entry) =>
      entry.suite === state.suite &&
      (!state.identity || entry.identity === state.identity) &&
      (!state.driving || entry.driving === state.driving) &&
      (!state.status || entry.tiles.some((tile) => tile.status === state.status) || (state.status === "any failure" && failed(entry))) &&
      (!words || entry.id.toLowerCase().includes(words))
  );
  if (state.sort === "plan") return found;
  const direction = state.sort === "loss" ? 1 : -1;
  const [method, metric] = [methodNow(), metricNow()];
  const rank = (entry) => {
    const gain = rivals(state.suite).length ? gainOf(entry, method, metric) : valueOf(entry, method, metric);
    return gain == null ? Infinity : direction * gain; // cases without both values come last
  };
  return found.map((entry) => [rank(entry), entry]).sort((a, b) => (a[0] === b[0] ? 0 : a[0] < b[0] ? -1 : 1)).map((pair) => pair[1]);
}

// ---------------------------------------------------------------- controls

function set(name, value) {
  state[name] = value;
  if (name === "suite") Object.assign(state, { identity: "", driving: "", status: "", method: "", metric: "" });
  writeAddress();
  refresh(name !== "q");
}

function showControls() {
  const entries = D.cases.filter((entry) => entry.suite === state.suite);
  const statuses = distinct(entries.flatMap((entry) => entry.tiles.map((tile) => tile.status)));
  const all = [["", "all"]];
  const search = make("input", { type: "search", value: state.q, placeholder: "part of an id", oninput: () => set("q", search.value) });
  $("controls").className = "controls";
  $("controls").replaceChildren(
    ...[
      suiteNames.length > 1 && chooser("suite", suiteNames, state.suite, (value) => set("suite", value)),
      chooser("identity", [...all, ...distinct(entries.map((entry) => entry.identity))], state.identity, (value) => set("identity", value)),
      chooser("driver", [...all, ...distinct(entries.map((entry) => entry.driving))], state.driving, (value) => set("driving", value)),
      chooser("status", [...all, ...(entries.some(failed) ? ["any failure"] : []), ...statuses], state.status, (value) => set("status", value)),
      chooser("method", [["", "all"], ...D.suites[state.suite].methods.filter((m) => m !== D.suites[state.suite].baseline)], state.method, (value) => set("method", value)),
      chooser("by metric", D.suites[state.suite].metrics, metricNow(), (value) => set("metric", value)),
      chooser("order", [["loss", "losses first"], ["gain", "gains first"], ["plan", "as planned"]], state.sort, (value) => set("sort", value)),
      make("label", {}, "search", search),
      make("output", { class: "fine", id: "count" }),
      make("button", { type: "button", onclick: toggleHelp, "aria-label": "keys" }, "?"),
    ].filter(Boolean)
  );
}

function refresh(controls = true) {
  if (!D.cases.length) return;
  if (controls) showControls();
  showPlots();
  const entries = chosen();
  const total = D.cases.filter((entry) => entry.suite === state.suite).length;
  $("count").textContent = `${entries.length} of ${total} cases`;
  for (const card of cards.values()) card.leave();
  watcher.disconnect();
  cards.clear();
  current = null;
  for (const entry of entries) cards.set(D.cases.indexOf(entry), new Card(entry));
  $("cases").replaceChildren(...[...cards.values()].map((card) => card.element));
  if (!entries.length) $("cases").append(make("p", { class: "fine" }, "No case fits these filters."));
  for (const card of cards.values()) watcher.observe(card.element);
}

// ---------------------------------------------------------------- plots of cases

function showPlots() {
  const [method, metric, suite] = [methodNow(), metricNow(), D.suites[state.suite]];
  const entries = D.cases.filter((entry) => entry.suite === state.suite && gainOf(entry, method, metric) != null);
  const parts = [];
  if (entries.length && suite.baseline) {
    parts.push(scatter(entries, method, metric, suite.baseline));
    if (distinct(entries.map((e) => e.driving)).length < entries.length) parts.push(heatMap(entries, method, metric));
  }
  $("case-plots").replaceChildren(make("div", { class: "pair" }, ...parts));
}

function scatter(entries, method, metric, baseline) {
  const side = 300, edge = 46;
  const pairs = entries.map((entry) => [valueOf(entry, baseline, metric), valueOf(entry, method, metric), entry]);
  const values = pairs.flatMap((pair) => pair.slice(0, 2));
  let [low, high] = [Math.min(...values), Math.max(...values)];
  const room = (high - low || 1) * 0.06;
  [low, high] = [low - room, high + room];
  const x = (value) => edge + ((value - low) / (high - low)) * (side - edge - 8);
  const y = (value) => side - x(value);
  const dots = pairs.map(([base, own, entry]) =>
    draw("circle", { class: "dot", cx: x(base), cy: y(own), r: 4.5, onclick: () => open(entry) }, draw("title", {}, `${entry.id}: ${number(base)} to ${number(own)}`))
  );
  const better = D.metrics[metric].up ? "above" : "below";
  const picture = draw(
    "svg",
    { width: side, height: side, viewBox: `0 0 ${side} ${side}`, role: "img", "aria-label": `${metric}: ${method} against ${baseline}, case by case` },
    draw("line", { x1: edge, y1: side - edge, x2: side, y2: side - edge }),
    draw("line", { x1: edge, y1: 0, x2: edge, y2: side - edge }),
    draw("line", { class: "equal", x1: x(low), y1: y(low), x2: x(high), y2: y(high) }),
    draw("text", { x: edge, y: side - edge + 14 }, number(low)),
    draw("text", { x: side - 4, y: side - edge + 14, "text-anchor": "end" }, number(high)),
    draw("text", { x: edge - 4, y: side - edge, "text-anchor": "end" }, number(low)),
    draw("text", { x: edge - 4, y: 18, "text-anchor": "end" }, number(high)),
    draw("text", { x: (side + edge) / 2, y: side - 8, "text-anchor": "middle" }, `${baseline} [${D.metrics[metric].unit}]`),
    draw("text", { transform: `rotate(-90 12 ${(side - edge) / 2})`, x: 12, y: (side - edge) / 2, "text-anchor": "middle" }, method),
    dots
  );
  return make("figure", { class: "scatter" }, make("figcaption", {}, `${metric}, a dot per case; ${better} the line ${method} is better`), picture);
}

function heatMap(entries, method, metric) {
  const [rows, columns] = [distinct(entries.map((e) => e.identity)), distinct(entries.map((e) => e.driving))];
  const cells = new Map(entries.map((entry) => [entry.identity + "\n" + entry.driving, entry]));
  const widest = Math.max(...entries.map((entry) => Math.abs(gainOf(entry, method, metric)))) || 1;
  const cell = (row, column) => {
    const entry = cells.get(row + "\n" + column);
    if (!entry) return make("td");
    const gain = gainOf(entry, method, metric);
    const share = Math.round((70 * Math.abs(gain)) / widest);
    const td = make("td", {}, make("button", { type: "button", title: entry.id, onclick: () => open(entry) }, signed(deltaOf(entry, method, metric))));
    td.style.background = `color-mix(in srgb, var(${gain >= 0 ? "--c0" : "--c1"}) ${share}%, transparent)`;
    return td;
  };
  return make(
    "figure",
    { class: "heat" },
    make("figcaption", {}, `${metric}: ${method} minus baseline; identities down, drivers across; blue gains, orange loses`),
    make("div", { class: "scroll" }, make("table", {}, make("tr", {}, make("th"), columns.map((name) => make("th", { scope: "col" }, name))),
      rows.map((row) => make("tr", {}, make("th", { scope: "row" }, row), columns.map((column) => cell(row, column))))))
  );
}

// ---------------------------------------------------------------- gallery

const cards = new Map(); // by index of the case
let current = null;
const watcher = new IntersectionObserver(
  (seen) => {
    for (const one of seen) one.isIntersecting ? one.target.card.enter() : one.target.card.leave();
  },
  { rootMargin: "500px 0px" }
);

// Curves come in scripts of their own, since a page read from a disk may load those and no data.
const awaited = new Map();
function portraitCurves(index, curves) {
  D.cases[index].curves = curves;
  awaited.get(index)?.forEach((call) => call());
  awaited.delete(index);
}
window.portraitCurves = portraitCurves;
function withCurves(index, call) {
  const entry = D.cases[index];
  if (typeof entry.curves !== "string") return entry.curves && call();
  if (awaited.has(index)) return void awaited.get(index).push(call);
  awaited.set(index, [call]);
  document.head.append(make("script", { src: entry.curves, async: true }));
}

class Card {
  constructor(entry) {
    this.entry = entry;
    this.index = D.cases.indexOf(entry);
    this.frame = 0;
    this.playing = false;
    this.zoom = { scale: 1, x: 0.5, y: 0.5 };
    this.tiles = entry.tiles.filter((tile) => tile.role !== "method" || !state.method || tile.label === state.method || tile.label === D.suites[entry.suite].baseline);
    this.shown = this.tiles.map((tile) => (tile.media == null ? null : D.media[tile.media]));
    this.videos = this.shown.filter((medium) => medium && medium.video);
    this.frames = Math.max(1, ...this.videos.map((medium) => medium.frames));
    this.media = [];
    this.element = make("article", { class: "case", tabindex: "0", "aria-label": `case ${entry.id}`, onfocusin: () => choose(this), onpointerdown: () => choose(this) }, this.heading());
    this.element.card = this;
  }

  heading() {
    const chips = rivals(this.entry.suite).filter((m) => !state.method || m === state.method).map((method) => {
      const [delta, gain] = [deltaOf(this.entry, method, metricNow()), gainOf(this.entry, method, metricNow())];
      if (delta == null) return null;
      return make("span", { class: `chip ${gain > 0 ? "gain" : gain < 0 ? "loss" : ""}` }, `${method}: ${metricNow().split("/")[0]} ${signed(delta)}`);
    });
    const { id, identity, driving } = this.entry;
    return make("h3", {}, id, make("small", {}, identity === driving ? `clip ${identity}` : `identity ${identity}, driver ${driving}`), chips);
  }

  // Near the screen: build what is missing and load the media.
  enter() {
    if (!this.boxes) this.build();
    if (this.near) return;
    this.near = true;
    this.media = this.shown.map((medium, place) => {
      if (!medium || !medium.src) return null;
      const label = this.tiles[place].label;
      const element = medium.video
        ? make("video", { src: medium.src, preload: "auto", playsinline: true, muted: true, "aria-label": label })
        : make("img", { src: medium.src, alt: label, decoding: "async" });
      if (medium.video) {
        element.muted = true;
        element.fps = medium.fps;
        element.frames = medium.frames;
        element.addEventListener("loadedmetadata", () => this.seekOne(element));
      }
      this.boxes[place].replaceChildren(element);
      return element;
    });
    this.applyZoom();
    if (this.curve) withCurves(this.index, () => this.showCurve());
  }

  // Far from the screen: let go of what takes memory.
  leave() {
    if (!this.near) return;
    this.near = false;
    this.pause();
    for (const element of this.media) {
      if (element?.tagName === "VIDEO") {
        element.removeAttribute("src");
        element.load();
      }
      element?.remove();
    }
    this.media = [];
  }

  build() {
    this.boxes = this.tiles.map((tile, place) => {
      const gone = this.shown[place]?.gone;
      const box = make("div", { class: tile.status === "ok" ? "frame" : "frame failed", onclick: (event) => this.zoomAt(event) });
      if (tile.media == null || gone) box.append(make("p", {}, `${gone ? "not shown" : tile.status}: ${gone || tile.reason}`));
      return box;
    });
    const metric = metricNow();
    const figures = this.tiles.map((tile, place) => {
      const value = valueOf(this.entry, tile.label, metric);
      return make("figure", { class: "tile" }, this.boxes[place], make("figcaption", {}, make("b", {}, tile.label),
        tile.role === "input" || value == null ? null : ` ${number(value)}`,
        tile.original ? [" ", make("a", { href: tile.original, title: "the output as it was measured, without loss" }, "lossless")] : null));
    });
    this.element.append(make("div", { class: "tiles" }, figures));
    if (this.frames > 1) this.buildTransport();
    this.buildTools();
  }

  buildTransport() {
    this.button = make("button", { type: "button", "aria-label": "play or pause", onclick: () => (this.playing ? this.pause() : this.play()) }, "▶");
    this.slider = make("input", { type: "range", min: 0, max: this.frames - 1, value: 0, step: 1, "aria-label": "frame", oninput: () => (this.pause(), this.seek(Number(this.slider.value))) });
    this.output = make("output");
    const step = (by, text, name) => make("button", { type: "button", "aria-label": name, onclick: () => this.step(by) }, text);
    this.speed = chooser("", [["0.25", "¼ speed"], ["0.5", "½ speed"], ["1", "speed 1"]], "1", () => this.playing && this.play()).firstElementChild;
    this.speed.setAttribute("aria-label", "speed");
    this.element.append(make("div", { class: "bar" }, this.button, step(-1, "‹", "one frame back"), step(1, "›", "one frame on"), this.slider, this.output, this.speed));
    if (this.entry.curves) {
      this.curve = draw("svg", { class: "curve", viewBox: "0 0 1000 130", preserveAspectRatio: "none", role: "img", "aria-label": "the metric over time",
        onpointerdown: (event) => this.jump(event), onpointermove: (event) => event.buttons && this.jump(event) });
      this.legend = make("div", { class: "key" });
      this.element.append(this.curve, this.legend);
    }
    this.tell();
  }

  // One slider for all: a clip with fewer frames stays at its last.
  seek(frame) {
    this.frame = Math.max(0, Math.min(this.frames - 1, frame));
    for (const element of this.media) this.seekOne(element);
    this.tell();
  }
  seekOne(element) {
    // The middle of a frame's time: rounding cannot reach its neighbours.
    if (element?.tagName === "VIDEO") element.currentTime = (Math.min(this.frame, element.frames - 1) + 0.5) / element.fps;
  }
  step(by) {
    this.pause();
    this.seek(this.frame + by);
  }
  tell() {
    if (!this.slider) return;
    this.slider.value = this.frame;
    this.output.textContent = `frame ${this.frame + 1} of ${this.frames}`;
    const x = this.frames > 1 ? (this.frame / (this.frames - 1)) * 1000 : 0;
    this.now?.setAttribute("x1", x);
    this.now?.setAttribute("x2", x);
    if (this.stage) this.paint();
    this.showValues?.();
  }

  play() {
    const videos = this.media.filter((element) => element?.tagName === "VIDEO");
    if (!videos.length) return;
    for (const other of cards.values()) if (other !== this) other.pause();
    if (this.frame >= this.frames - 1) this.seek(0);
    this.playing = true;
    this.button.textContent = "❚❚";
    const leader = videos.reduce((a, b) => (b.frames > a.frames ? b : a));
    for (const video of videos) {
      video.playbackRate = (Number(this.speed.value) * leader.fps) / video.fps;
      video.play().catch(() => {}); // was taken away, or paused, before it began
    }
    const tick = () => {
      if (!this.playing) return;
      this.frame = Math.min(this.frames - 1, Math.floor(leader.currentTime * leader.fps));
      for (const video of videos) {
        const due = (leader.currentTime * leader.fps) / video.fps;
        if (video !== leader && due < video.frames / video.fps && Math.abs(video.currentTime - due) > 0.6 / video.fps) video.currentTime = due;
      }
      this.tell();
      if (leader.ended) {
        this.seek(0);
        for (const video of videos) video.play().catch(() => {});
      }
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }
  pause() {
    if (!this.playing) return;
    this.playing = false;
    this.button.textContent = "▶";
    for (const element of this.media) if (element?.tagName === "VIDEO") element.pause();
    this.seek(this.frame);
  }

  showCurve() {
    const curves = this.entry.curves;
    const metrics = D.suites[this.entry.suite].metrics.filter((name) => curves[name]);
    if (!metrics.length) return;
    if (!metrics.includes(this.metric)) this.metric = metrics.includes(metricNow()) ? metricNow() : metrics[0];
    const lines = Object.entries(curves[this.metric]).filter(([method]) => this.tiles.some((tile) => tile.label === method));
    const values = lines.flatMap(([, line]) => line).filter((value) => value != null);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const place = (value, frame) => `${((frame / Math.max(1, this.frames - 1)) * 1000).toFixed(1)},${(122 - ((value - low) / (high - low || 1)) * 114).toFixed(1)}`;
    const names = this.tiles.filter((tile) => tile.role !== "input").map((tile) => tile.label);
    const drawn = lines.flatMap(([method, line]) => {
      // Frames without a value are gaps.
      const pieces = [[]];
      line.forEach((value, frame) => (value == null ? pieces.push([]) : pieces.at(-1).push(place(value, frame))));
      return pieces.filter((piece) => piece.length).map((piece) => draw("polyline", { points: piece.join(" "), style: `stroke: ${colour(names, method)}` }));
    });
    this.now = draw("line", { class: "now", y1: 0, y2: 130 });
    this.curve.replaceChildren(...drawn, this.now);
    const shown = lines.map(([method, line]) => [make("span"), method, line]);
    const about = D.metrics[this.metric];
    this.legend.replaceChildren(
      chooser("", metrics, this.metric, (value) => ((this.metric = value), this.showCurve())),
      make("span", {}, `${about.unit}, ${about.up ? "higher" : "lower"} is better, ${number(low)} to ${number(high)}`),
      ...shown.map(([span, method]) => make("span", {}, make("i", { style: `background: ${colour(names, method)}` }), `${method} `, span))
    );
    this.legend.querySelector("select").setAttribute("aria-label", "metric of the curve");
    this.showValues = () => shown.forEach(([span, , line]) => (span.textContent = number(line[this.frame])));
    this.tell();
  }
  jump(event) {
    const box = this.curve.getBoundingClientRect();
    this.pause();
    this.seek(Math.round(((event.clientX - box.left) / box.width) * (this.frames - 1)));
  }

  buildTools() {
    const zoom = (text, name, value) => make("button", { type: "button", title: name, onclick: () => this.setZoom(value) }, text);
    this.toggle = make("button", { type: "button", "aria-pressed": "false", onclick: () => this.compare() }, "Compare A/B");
    this.element.append(make("div", { class: "bar" }, this.toggle, make("span", { class: "fine" }, "zoom"),
      zoom("whole", "the whole canvas", { scale: 1, x: 0.5, y: 0.5 }),
      this.part("upper face", "eyes and brows", { scale: 2.2, x: 0.5, y: 0.32 }),
      this.part("lower face", "the mouth", { scale: 2.6, x: 0.5, y: 0.74 }),
      make("span", { class: "fine" }, "or click where to look")));
  }
  // A button that enlarges a part of the face: where it was seen in the driver, else where most framings have it.
  part(name, what, usual) {
    const box = this.entry.windows[name];
    const title = box ? `${what}, where they were seen in the driver` : `where most framings have ${what}`;
    return make("button", { type: "button", title, onclick: () => this.setZoom(box ? around(box) : usual) }, name);
  }
  zoomAt(event) {
    const box = event.currentTarget.getBoundingClientRect();
    const { scale, x, y } = this.zoom;
    // From the place on the screen to the place in the picture that is under it.
    const inside = (share, origin) => origin + (share - origin) / scale;
    const at = [inside((event.clientX - box.left) / box.width, x), inside((event.clientY - box.top) / box.height, y)];
    this.setZoom(scale >= 4 ? { scale: 1, x: 0.5, y: 0.5 } : { scale: scale < 2 ? 2 : 4, x: at[0], y: at[1] });
  }
  setZoom(zoom) {
    this.zoom = zoom;
    this.applyZoom();
    if (this.stage) this.paint();
  }
  applyZoom() {
    const { scale, x, y } = this.zoom;
    for (const element of this.media) {
      if (!element) continue;
      element.style.transformOrigin = `${100 * x}% ${100 * y}%`;
      element.style.transform = scale === 1 ? "" : `scale(${scale})`;
    }
  }

  // Two tiles on one canvas: a wipe, a flicker, or their difference made brighter.
  compare(mode) {
    if (this.stage && !mode) {
      this.stage.remove();
      this.stage = null;
      this.toggle.setAttribute("aria-pressed", "false");
      return;
    }
    if (!this.stage) this.buildStage();
    if (mode) this.mode.value = mode;
    this.pictureNow = "";
    this.animate();
  }
  buildStage() {
    const options = this.tiles.map((tile, place) => [place, tile.label]).filter(([place]) => this.shown[place]?.src);
    if (options.length < 2) return;
    const methods = options.filter(([place]) => this.tiles[place].role === "method");
    const pair = methods.length > 1 ? methods : options;
    const repaint = () => this.animate();
    const [a, b, mode, gain] = [
      chooser("A", options, pair[0][0], repaint), chooser("B", options, pair[1][0], repaint),
      chooser("show", [["wipe", "wipe"], ["flicker", "A/B flicker"], ["difference", "difference"]], "wipe", repaint),
      chooser("difference times", ["1", "4", "8", "16"], "4", repaint),
    ];
    [this.a, this.b, this.mode, this.gain] = [a, b, mode, gain].map((label) => label.querySelector("select"));
    this.wipe = make("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": "wipe", oninput: repaint });
    this.caption = make("p", { class: "fine" });
    this.canvas = make("canvas", { width: 512, height: 512, role: "img", "aria-label": "comparison of A and B" });
    this.stage = make("div", { class: "stage" }, this.canvas, make("div", { class: "side" }, a, b, mode, gain, make("label", {}, "wipe", this.wipe), this.caption));
    this.element.append(this.stage);
    this.toggle.setAttribute("aria-pressed", "true");
  }
  animate() {
    this.paint();
    if (this.running) return;
    this.running = true;
    const tick = () => {
      this.running = Boolean(this.stage && this.near && this.stage.isConnected);
      if (!this.running) return;
      this.paint();
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }
  paint() {
    if (!this.stage) return;
    const [a, b] = [this.media[this.a.value], this.media[this.b.value]];
    if (!a || !b) return;
    const brush = this.canvas.getContext("2d");
    const mode = this.mode.value;
    const side = this.canvas.width;
    const put = (element) => {
      const [width, height] = [element.videoWidth || element.naturalWidth, element.videoHeight || element.naturalHeight];
      const { scale, x, y } = this.zoom;
      if (width) brush.drawImage(element, x * (1 - 1 / scale) * width, y * (1 - 1 / scale) * height, width / scale, height / scale, 0, 0, side, side);
    };
    brush.globalCompositeOperation = "source-over";
    this.canvas.style.filter = mode === "difference" ? `brightness(${this.gain.value})` : "";
    const names = [this.tiles[this.a.value].label, this.tiles[this.b.value].label];
    if (mode === "flicker") {
      const second = Math.floor(performance.now() / (calm ? 1500 : 500)) % 2;
      put(second ? b : a);
      this.say(second ? `B: ${names[1]}` : `A: ${names[0]}`);
    } else if (mode === "difference") {
      put(a);
      brush.globalCompositeOperation = "difference";
      put(b);
      this.say(`difference of A and B, ${this.gain.value} times as bright; of copies with loss: faint noise is theirs`);
    } else {
      const edge = (side * this.wipe.value) / 100;
      put(b);
      brush.save();
      brush.beginPath();
      brush.rect(0, 0, edge, side);
      brush.clip();
      put(a);
      brush.restore();
      brush.fillStyle = "#fff";
      brush.fillRect(edge - 1, 0, 2, side);
      this.say(`left A: ${names[0]}; right B: ${names[1]}`);
    }
  }
  say(text) {
    if (this.caption.textContent !== text) this.caption.textContent = text;
  }
}

// ---------------------------------------------------------------- one current case, and its keys

function choose(card) {
  if (current === card) return;
  current?.element.classList.remove("current");
  current = card;
  card.element.classList.add("current");
  writeAddress(card.entry.id);
}

function open(entry) {
  const index = D.cases.indexOf(entry);
  if (!cards.has(index)) {
    Object.assign(state, { suite: entry.suite, identity: "", driving: "", status: "", q: "" });
    refresh();
  }
  const card = cards.get(index);
  card.enter();
  card.element.focus({ preventScroll: true });
  card.element.scrollIntoView({ block: "start", behavior: "instant" });
  choose(card);
}

function beside(by) {
  const all = [...cards.values()];
  const place = current ? all.indexOf(current) + by : 0;
  if (all[place]) open(all[place].entry);
}

const KEYS = {
  j: ["next case", () => beside(1)],
  k: ["case before", () => beside(-1)],
  " ": ["play or pause", () => current.button && (current.playing ? current.pause() : current.play())],
  ",": ["one frame back", () => current.step(-1)],
  ".": ["one frame on", () => current.step(1)],
  w: ["wipe A/B", () => current.compare("wipe")],
  f: ["flicker A/B", () => current.compare("flicker")],
  d: ["difference of A and B", () => current.compare("difference")],
  x: ["close the comparison", () => current.stage && current.compare()],
  z: ["zoom: whole, 2, 4 times", () => current.setZoom({ ...current.zoom, scale: current.zoom.scale >= 4 ? 1 : current.zoom.scale < 2 ? 2 : 4 })],
  "?": ["these keys", () => toggleHelp()],
};

function toggleHelp() {
  const rows = Object.entries(KEYS).map(([key, [text]]) => make("div", {}, make("kbd", {}, key === " " ? "space" : key), ` ${text}`));
  $("help").replaceChildren(...rows, make("p", { class: "fine" }, "Arrow keys move the slider that has the focus."));
  $("help").hidden = !$("help").hidden;
}

document.addEventListener("keydown", (event) => {
  const found = KEYS[event.key];
  const typing = event.target.matches("input:not([type=range]), select, textarea");
  if (event.key === "Escape") $("help").hidden = true;
  if (!found || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " " && event.target.matches("button, summary, a")) return;
  if (!current && !["j", "k", "?"].includes(event.key)) return;
  event.preventDefault();
  found[1]();
});

// Paper shows all cases.
addEventListener("beforeprint", () => cards.forEach((card) => card.enter()));

const wanted = readAddress();
refresh();
const asked = D.cases.find((entry) => entry.id === wanted && entry.suite === state.suite);
if (asked) open(asked);
