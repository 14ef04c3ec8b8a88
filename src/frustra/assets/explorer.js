"use strict";
// The DOAS with its states as dots, and chemiscope's view of the cluster around the chosen ion.
// `data` is written by frustra/report/explorer.py; `explorer` at the end is for scripts.

const data = JSON.parse(document.getElementById("data").textContent);
const column = Object.fromEntries(data.columns.map((c) => [c.name, c]));
const kinds = Object.fromEntries(data.kinds.map((k) => [k.key, k]));
const count = data.energy.length;
const WIDTH = 620, LEFT = 14, RIGHT = 12, TOP = 6, BOTTOM = 36, DOT = 2.7, ZOOM = 133;
const byId = (id) => document.getElementById(id);
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const places = new Int16Array(bytes(data.places).buffer);
const points = bytes(data.points);
const starts = [0];
for (let i = 0; i < count; i++) starts.push(starts[i] + data.atoms[i] + data.empty[i]);

function value(name, i) {
  const c = column[name];
  return c.names ? c.names[c.values[i]] : c.values[i];
}

// ---- the DOAS

const rows = data.temperatures.map((t, n) => ({ ...t, n, shown: [] }));
for (let i = 0; i < count; i++) rows.find((r) => r.T === value("temperature", i)).shown.push(i);
for (const r of rows) r.shown.sort((a, b) => data.energy[a] - data.energy[b]);
const height = Math.max(56, Math.min(110, 560 / rows.length));
const floor = (r) => TOP + height * (rows.length - r.n); // the hottest on top
const lowest = Math.min(0, ...data.energy), highest = Math.max(...data.energy, lowest + 1);
const margin = 0.02 * (highest - lowest);
const scale = (WIDTH - LEFT - RIGHT) / (highest - lowest + 2 * margin);
const across = (meV) => LEFT + (meV - lowest + margin) * scale;

function heights(r) {
  const bins = Object.values(r.parts)[0].length, top = new Float64Array(bins);
  for (const part of Object.values(r.parts)) part.forEach((v, b) => (top[b] += v));
  return (0.8 * height) / Math.max(...top, 1e-12);
}

// where the dots are: in the DOAS one above the other within the bar of their bin and site
function spots(axis) {
  const found = new Array(count);
  if (axis !== "") {
    const [low, high] = extent(axis);
    for (const r of rows)
      for (const i of r.shown) {
        const v = value(axis, i);
        if (v !== null) found[i] = [across(data.energy[i]), floor(r) - 3 - (0.8 * height * (v - low)) / (high - low || 1)];
      }
    return found;
  }
  for (const r of rows) {
    const tall = heights(r), base = new Float64Array(Object.values(r.parts)[0].length);
    for (const kind of Object.keys(r.parts)) {
      const bins = new Map();
      for (const i of r.shown)
        if (value("site", i) === kind) {
          const last = base.length - 1;
          const b = Math.max(0, Math.min(last, Math.floor((data.energy[i] - r.first) / r.bin + 1e-9)));
          if (!bins.has(b)) bins.set(b, []);
          bins.get(b).push(i);
        }
      for (const [b, states] of bins)
        states.forEach((i, k) => {
          // 7 and 11 have no common factor with most counts: neighbours in energy are not one above the other
          const place = states.length > 3 ? ((k * (states.length % 7 ? 7 : 11)) % states.length) : k;
          const y = base[b] + ((place + 0.5) / states.length) * r.parts[kind][b];
          found[i] = [across(data.energy[i]), floor(r) - Math.max(y * tall, DOT)];
        });
      r.parts[kind].forEach((v, b) => (base[b] += v));
    }
  }
  return found;
}

function extent(axis) {
  const all = column[axis].values.filter((v) => v !== null);
  return [all.reduce((a, b) => Math.min(a, b), Infinity), all.reduce((a, b) => Math.max(a, b), -Infinity)];
}

function bars(r) {
  const tall = heights(r), base = new Float64Array(Object.values(r.parts)[0].length);
  let drawn = "";
  for (const [kind, part] of Object.entries(r.parts)) {
    let path = "";
    part.forEach((v, b) => {
      if (v === 0) return;
      const x = across(r.first + b * r.bin), y = floor(r) - (base[b] + v) * tall;
      path += `M${x.toFixed(1)} ${y.toFixed(2)}h${(r.bin * scale).toFixed(2)}v${(v * tall).toFixed(2)}h${(-r.bin * scale).toFixed(2)}z`;
      base[b] += v;
    });
    drawn += `<path d="${path}" fill="${kinds[kind].colour}" fill-opacity=".3"/>`;
  }
  return drawn;
}

function ticks() {
  const span = highest - lowest, power = 10 ** Math.floor(Math.log10(span / 6));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => span / s <= 8);
  const bottom = floor(rows[0]);
  let drawn = "";
  for (let v = Math.ceil((lowest - margin) / step) * step; v <= highest + margin; v += step) {
    const x = across(v).toFixed(1);
    drawn += `<path d="M${x} ${bottom}v5" stroke="#1b1f23"/><text x="${x}" y="${bottom + 17}" text-anchor="middle">${+v.toFixed(6)}</text>`;
  }
  const middle = (LEFT + WIDTH - RIGHT) / 2;
  const title = `Energy of ${data.specie} above the zero of the DOAS (meV)`;
  return `${drawn}<text x="${middle}" y="${bottom + 32}" text-anchor="middle">${title}</text>`;
}

let spot = [], current = -1;

function draw() {
  const axis = byId("axis").value;
  spot = spots(axis);
  let drawn = "";
  for (const r of rows) {
    const y = floor(r), doubt = r.doubtful ? ' <tspan class="doubt">not equilibrated</tspan>' : "";
    drawn += `<path d="M${LEFT} ${y}H${WIDTH - RIGHT}" stroke="#1b1f23" stroke-width=".8"/>`;
    if (axis === "") drawn += bars(r);
    drawn += `<text class="name" x="${WIDTH - RIGHT - 2}" y="${y - height + 20}" text-anchor="end">${r.T} K${doubt}</text>`;
    drawn += `<text class="soft" x="${WIDTH - RIGHT - 2}" y="${y - height + 34}" text-anchor="end">${r.shown.length} of ${r.states}</text>`;
  }
  for (const r of rows)
    for (const i of r.shown)
      if (spot[i])
        drawn += `<circle class="state" data-state="${i}" cx="${spot[i][0].toFixed(1)}" cy="${spot[i][1].toFixed(1)}" r="${DOT}" fill="${kinds[value("site", i)].colour}"/>`;
  const tall = floor(rows[0]) + BOTTOM;
  byId("doas").innerHTML = `<svg viewBox="0 0 ${WIDTH} ${tall}">${ticks()}${drawn}<circle class="near" r="5" visibility="hidden"/><circle class="ring" r="6" visibility="hidden"/></svg><div id="tip" hidden></div>`;
  ring("ring", current);
}

function ring(name, i) {
  const circle = byId("doas").querySelector("." + name), there = spot[i];
  circle.setAttribute("visibility", there ? "visible" : "hidden");
  if (there) [["cx", there[0]], ["cy", there[1]]].forEach(([k, v]) => circle.setAttribute(k, v));
}

function nearest(event) {
  const frame = byId("doas").querySelector("svg").getBoundingClientRect(), zoom = WIDTH / frame.width;
  const x = (event.clientX - frame.left) * zoom, y = (event.clientY - frame.top) * zoom;
  let best = -1, least = 14 * 14;
  spot.forEach((s, i) => {
    const away = s ? (s[0] - x) ** 2 + (s[1] - y) ** 2 : Infinity;
    if (away < least) [best, least] = [i, away];
  });
  return best;
}

const told = (i) => `${value("temperature", i)} K · ${data.energy[i].toFixed(1)} meV · ${value("label", i) || value("site", i)}`;

function hover(event) {
  const i = nearest(event), tip = byId("tip"), frame = byId("doas").getBoundingClientRect();
  ring("near", i);
  tip.hidden = i < 0;
  if (i < 0) return;
  tip.textContent = told(i);
  const x = event.clientX - frame.left;
  tip.style.left = `${Math.min(x + 12, frame.width - tip.offsetWidth - 4)}px`;
  tip.style.top = `${event.clientY - frame.top + 14}px`;
}

// ---- the surroundings

function mixed(colour, other, part) {
  const of = (c) => [1, 3, 5].map((k) => parseInt(c.slice(k, k + 2), 16));
  const [a, b] = [of(colour), of(other)];
  return "#" + a.map((v, k) => Math.round((1 - part) * v + part * b[k]).toString(16).padStart(2, "0")).join("");
}

const looks = data.codes.map((c) => {
  if (c.role === "ion") return { ...c, colour: kinds[c.kind].colour, radius: 0.52, name: `${c.symbol} (${c.kind})` };
  if (c.role === "empty") return { ...c, colour: mixed(kinds[c.kind].colour, "#ffffff", 0.55), radius: 0.17 };
  return { ...c, colour: mixed(c.colour, "#c6cbd0", 0.6), radius: 0.36 * c.radius, name: c.symbol };
});

function cluster(i) {
  const found = [];
  for (let p = starts[i]; p < starts[i + 1]; p++)
    found.push({ at: [0, 1, 2].map((k) => places[3 * p + k] * data.grain), look: looks[points[p]] });
  return found;
}

const xyz = (v) => ({ x: v[0], y: v[1], z: v[2] });
const minus = (a, b) => a.map((v, k) => v - b[k]);
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const far = (a, b) => Math.hypot(...minus(a, b));

// edges of the convex hull: pairs of vertices in two of its faces that are not in one plane
function edges(vertices) {
  const normals = new Map(), n = vertices.length;
  for (let i = 0; i < n; i++)
    for (let j = i + 1; j < n; j++)
      for (let k = j + 1; k < n; k++) {
        const normal = cross(minus(vertices[j], vertices[i]), minus(vertices[k], vertices[i]));
        const length = Math.hypot(...normal);
        const sides = vertices.map((v) => dot(minus(v, vertices[i]), normal) / length);
        const above = sides.some((s) => s > 1e-6), below = sides.some((s) => s < -1e-6);
        if (length < 1e-6 || (above && below)) continue;
        for (const pair of [[i, j], [i, k], [j, k]]) {
          const key = pair.join();
          if (!normals.has(key)) normals.set(key, []);
          normals.get(key).push(normal.map((v) => (above ? -v : v) / length));
        }
      }
  const bent = (list) => list.some((a) => list.some((b) => dot(a, b) < 0.97));
  return [...normals].filter(([, list]) => bent(list)).map(([key]) => key.split(",").map(Number));
}

function sticks(all, corners) {
  const atoms = all.filter((p) => p.look.role !== "empty"), vertices = atoms.slice(1, corners + 1).map((p) => p.at);
  const found = { vectors: [], bases: [], radii: [], colors: [] };
  const add = (from, to, radius, colour) => {
    found.bases.push(from);
    found.vectors.push(minus(to, from));
    found.radii.push(radius);
    found.colors.push(colour);
  };
  for (const [a, b] of edges(vertices)) add(vertices[a], vertices[b], 0.055, atoms[0].look.colour);
  for (const v of vertices) add(atoms[0].at, v, 0.04, "#9aa0a6");
  const anions = atoms.filter((p) => p.look.role === "anion").map((p) => p.at);
  for (const c of atoms.filter((p) => p.look.role === "cation")) {
    const least = Math.min(...anions.map((a) => far(a, c.at)));
    for (const a of anions) if (far(a, c.at) < 1.2 * least) add(c.at, a, 0.07, "#c3c8cd");
  }
  return found;
}

function structure(i) {
  const all = cluster(i), atoms = all.slice(0, data.atoms[i]), empty = all.slice(data.atoms[i]);
  return {
    size: atoms.length,
    names: atoms.map((p) => p.look.name),
    elements: atoms.map((p) => p.look.symbol),
    ...Object.fromEntries(["x", "y", "z"].map((axis, k) => [axis, atoms.map((p) => p.at[k])])),
    bonds: [],
    shapes: {
      sites: {
        kind: "sphere",
        parameters: { global: {}, atom: atoms.map((p, k) => ({ radius: k ? p.look.radius : 0.78, color: p.look.colour })) },
      },
      polyhedra: { kind: "cylinders", parameters: { global: {}, structure: [sticks(all, data.corners[i])] } },
      "empty sites": {
        kind: "spheres",
        parameters: {
          global: {},
          structure: [{ centers: empty.map((p) => p.at), radii: empty.map((p) => p.look.radius), colors: empty.map((p) => p.look.colour) }],
        },
      },
    },
  };
}

function dataset() {
  const properties = { "energy": { target: "structure", values: data.energy, units: "meV" } };
  for (const c of data.columns) {
    const values = data.energy.map((_, i) => value(c.name, i) ?? NaN);
    properties[c.name] = { target: "structure", values, description: c.doc, ...(c.unit ? { units: c.unit } : {}) };
  }
  const camera = { center: { x: 0, y: 0, z: 0 }, eye: xyz(data.camera.eye), up: xyz(data.camera.up), zoom: ZOOM };
  const settings = { atoms: false, bonds: false, shape: "sites,polyhedra,empty sites", keepOrientation: true, camera };
  return {
    meta: { name: document.title },
    structures: data.atoms.map((size, i) => ({ size, data: i })),
    properties,
    settings: { structure: [settings] },
  };
}

let visualizer = null;

async function open3D() {
  const config = { meta: "meta", info: "info", structure: "view", loadStructure: (i) => structure(i) };
  try {
    visualizer = await Chemiscope.StructureVisualizer.load(config, dataset(), new Chemiscope.Warnings());
  } catch (error) {
    byId("view").textContent = `No view in three dimensions: ${error.message ?? error}. It needs WebGL.`;
    return;
  }
  const select = visualizer.info.onchange;
  visualizer.info.onchange = (indexes) => {
    select(indexes);
    mark(indexes.structure);
  };
}

// ---- what is chosen

// what is told in the line above, and what is the same of all states, is no part of the table
const above = new Set(["temperature", "run", "snapshot", "ion", "site", "label", "place"]);
const varies = (c) => !above.has(c.name) && c.values.some((v) => v !== c.values[0]);

function mark(i) {
  current = i;
  ring("ring", i);
  const colour = kinds[value("site", i)].colour;
  byId("chosen").innerHTML = `<b>${data.specie} ${value("ion", i)}</b>, snapshot ${value("snapshot", i)} of run ${value("run", i)} at ${value("temperature", i)} K: <b>${data.energy[i].toFixed(2)} meV</b><span class="dot" style="background:${colour}"></span><span id="where"></span>`;
  byId("where").textContent = value("label", i) || value("site", i);
  const body = document.createElement("tbody");
  let line;
  data.columns.filter(varies).forEach((c, k) => {
    if (k % 3 === 0) line = body.insertRow();
    const v = value(c.name, i);
    line.insertCell().textContent = c.title;
    line.insertCell().textContent = v === null ? "–" : `${v} ${c.unit}`;
  });
  byId("table").replaceChildren(body);
}

function choose(i) {
  if (i < 0 || i >= count) return;
  mark(i);
  if (visualizer) visualizer.select(visualizer.indexer.fromStructure(i, "structure"));
}

function step(event) {
  const row = rows.find((r) => r.shown.includes(current)), k = row.shown.indexOf(current);
  const moves = { ArrowLeft: () => row.shown[k - 1], ArrowRight: () => row.shown[k + 1], ArrowUp: () => beside(1), ArrowDown: () => beside(-1) };
  const beside = (up) => {
    const other = rows[row.n + up]?.shown ?? [], e = data.energy[current];
    return other.reduce((a, b) => (Math.abs(data.energy[b] - e) < Math.abs(data.energy[a] - e) ? b : a), other[0]);
  };
  const next = moves[event.key]?.();
  if (event.key in moves) event.preventDefault();
  if (next !== undefined) choose(next);
}

function legend() {
  const dots = (list, hollow) => list.map(([colour, name]) => `<span class="dot${hollow ? " hollow" : ""}" style="${hollow ? "border-color" : "background"}:${colour}"></span>${name}`).join("");
  const seen = data.kinds.filter((k) => rows.some((r) => k.key in r.parts));
  byId("legend").innerHTML = dots(seen.map((k) => [k.colour, k.name]));
  const ions = looks.filter((l) => l.role === "ion" && seen.some((k) => k.key === l.kind));
  const atoms = looks.filter((l) => l.role === "anion" || (l.role === "cation" && l.symbol !== data.specie));
  byId("key").innerHTML = dots([...ions, ...atoms].map((l) => [l.colour, l.name])) + `<span class="dot" style="background:#bbb;transform:scale(.6)"></span>empty sites, pale in the colour of their kind`;
}

function axes() {
  const numbers = data.columns.filter((c) => !c.names && c.name !== "temperature" && extent(c.name)[0] < extent(c.name)[1]);
  const far = (c) => extent(c.name).map((v) => +v.toPrecision(3)).join(" to ");
  const skipped = new Set(["ion", "run", "snapshot", "place"]);
  const options = numbers.filter((c) => !skipped.has(c.name)).map((c) => [c.name, `${c.title}: ${far(c)} ${c.unit}`]);
  for (const [key, text] of [["", "density of states, by site"], ...options]) byId("axis").add(new Option(text, key));
  byId("axis").onchange = draw;
}

byId("sampled").textContent = count === data.states
  ? `All ${count} states are here.`
  : `${count} of ${data.states} states are here: of each temperature, site and ${data.bin} meV all where they are few, else ${data.most} of them at random.`;
axes();
legend();
draw();
mark(rows[0].shown[0]);
byId("doas").onclick = (event) => choose(nearest(event));
byId("doas").onmousemove = hover;
byId("doas").onmouseleave = () => {
  ring("near", -1);
  byId("tip").hidden = true;
};
byId("doas").onkeydown = step;

const explorer = { data, structure, choose, spot: (i) => spot[i], get current() { return current; }, get visualizer() { return visualizer; } };
explorer.ready = open3D().then(() => choose(current));
window.explorer = explorer;
