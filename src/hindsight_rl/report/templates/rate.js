"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const VERDICTS = ["yes", "partly", "no"];
const KEYS = { 1: "yes", y: "yes", 2: "partly", p: "partly", 3: "no", n: "no" };
const PREFIX = `hindsight-rate:${data.study}:`;
const at = (id) => document.getElementById(id);
const order = new Map(data.items.map((each, place) => [each.item, place]));

let annotator = "";
let answers = {}; // item -> row, as it is exported
const ofThisTab = Object.create(null); // the same by annotator, for a browser that stores nothing
let place = 0;
let shown = 0; // when the item was shown, in milliseconds
let unsaved = false; // answers that are neither stored nor exported

// ---- what is stored in this browser, by annotator
//
// Each answer has a key of its own. A browser passes what one tab stores on to the others with
// a delay, so a tab that wrote all answers under one key would undo answers of another tab.

const keyOf = (name, item) => `${PREFIX}${encodeURIComponent(name)}${item ? `:${item}` : ""}`;

function stored(name) {
  const rows = {};
  try {
    for (const { item } of data.items) {
      const row = localStorage.getItem(keyOf(name, item));
      if (row) rows[item] = JSON.parse(row);
    }
  } catch {
    // What can be read is shown; a browser that stores nothing says so in store().
  }
  return rows;
}

function store(name, rows) {
  const before = stored(name);
  const all = newest(before, newest(ofThisTab[name] || {}, rows));
  ofThisTab[name] = all;
  try {
    localStorage.setItem(keyOf(name), "1");
    for (const [item, row] of Object.entries(all)) {
      if (JSON.stringify(row) !== JSON.stringify(before[item])) localStorage.setItem(keyOf(name, item), JSON.stringify(row));
    }
  } catch {
    unsaved = unsaved || Object.keys(rows).length > 0;
    at("no-storage").hidden = false;
  }
  return all;
}

function newest(rows, others) {
  const all = { ...rows };
  for (const [item, row] of Object.entries(others)) {
    if (!all[item] || (row.at || "") >= (all[item].at || "")) all[item] = row;
  }
  return all;
}

function names() {
  try {
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
    const own = keys.map((key) => key.slice(PREFIX.length)).filter((key) => !key.includes(":"));
    return own.map(decodeURIComponent).sort();
  } catch {
    return [];
  }
}

// ---- views

function show(id) {
  for (const view of ["start", "rate", "pause"]) at(view).hidden = view !== id;
  at("bar").hidden = id !== "rate";
  window.scrollTo(0, 0);
}

function start() {
  at("names").replaceChildren(
    ...names().map((name) => {
      const button = element("button", name);
      button.type = "button";
      button.append(element("small", `${Object.keys(stored(name)).length} of ${data.items.length}`));
      button.addEventListener("click", () => begin(name));
      const line = document.createElement("li");
      line.append(button);
      return line;
    }),
  );
  at("earlier").hidden = !names().length;
  show("start");
}

function begin(name) {
  annotator = name.trim().replace(/\s+/g, " ");
  if (!annotator) return;
  answers = store(annotator, {});
  goOn();
}

function goOn() {
  const open = data.items.findIndex((each) => !answers[each.item]);
  if (open < 0) return pause();
  place = open;
  item();
}

function item() {
  const now = data.items[place];
  const chosen = answers[now.item] && answers[now.item].verdict;
  shown = performance.now();
  at("sentence").textContent = now.text;
  at("count").textContent = `Sentence ${place + 1} of ${data.items.length}`;
  progress();
  for (const button of document.querySelectorAll("[data-verdict]")) {
    button.setAttribute("aria-pressed", String(button.dataset.verdict === chosen));
  }
  at("back").disabled = place === 0;
  at("length").textContent = `In ${now.steps} steps. Nothing else happened that the environment reports.`;
  at("happenings").replaceChildren(...now.events.map(happening));
  at("strip").hidden = !now.frames.length;
  at("film").replaceChildren(...now.frames.map(frame));
  show("rate");
  at("sentence").focus({ preventScroll: true });
}

function progress() {
  at("progress").value = Object.keys(answers).length;
  at("progress").textContent = `${Object.keys(answers).length} rated`;
}

function happening(event) {
  const line = document.createElement("li");
  const what = element("div", event.text);
  if (event.again) what.append(element("small", `again at ${event.again}`));
  line.append(element("span", `step ${event.step}`), what);
  return line;
}

function frame(each) {
  const when = each.step ? `step ${each.step}` : "start";
  const what = each.said.join("; ");
  const picture = document.createElement("img");
  picture.src = each.picture;
  picture.alt = `The world ${each.step ? "after" : "at the"} ${when}${what ? `: ${what}` : ""}`;
  const button = document.createElement("button");
  button.type = "button";
  button.title = "Enlarge";
  button.append(picture);
  button.addEventListener("click", () => {
    at("large-picture").src = picture.src;
    at("large-picture").alt = picture.alt;
    at("large-said").textContent = what ? `${when}: ${what}` : when;
    at("large").showModal();
  });
  const caption = element("figcaption", what);
  caption.prepend(element("small", when));
  const figure = document.createElement("figure");
  figure.append(button, caption);
  const line = document.createElement("li");
  line.append(figure);
  return line;
}

function pause() {
  summary();
  show("pause");
  at("pause-title").focus();
}

function summary() {
  const left = data.items.length - Object.keys(answers).length;
  at("pause-title").textContent = left ? `${left} left, ${annotator}` : `Done: all ${data.items.length} rated. Thank you, ${annotator}.`;
  at("pause-said").textContent = left
    ? "Your answers so far are stored in this browser. You can close the page and go on later."
    : "Export your answers now. You can still go back and change them.";
  at("go-on").textContent = left ? "Go on" : "Look at them again";
  at("copy").value = lines();
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

// ---- what a person does

function rate(verdict) {
  const now = data.items[place];
  const row = {
    study: data.study,
    item: now.item,
    annotator,
    verdict,
    text: now.text,
    seconds: Math.round((performance.now() - shown) / 100) / 10,
    at: new Date().toISOString(),
  };
  answers = store(annotator, { [now.item]: row });
  at("status").textContent = `Saved: ${verdict}.`;
  if (place + 1 < data.items.length) {
    place += 1;
    item();
  } else goOn();
}

function move(by) {
  const to = place + by;
  if (to < 0) return;
  if (to >= data.items.length) return pause();
  place = to;
  item();
}

function lines() {
  const rows = Object.values(answers).sort((a, b) => order.get(a.item) - order.get(b.item));
  return rows.map((row) => JSON.stringify(row) + "\n").join("");
}

function download() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines()], { type: "application/jsonl" }));
  link.download = `rating-${data.study}-${annotator.replace(/[^\p{L}\p{N}]+/gu, "-")}.jsonl`;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  unsaved = false;
}

// ---- import

function row(line, where) {
  let made;
  try {
    made = JSON.parse(line);
  } catch {
    throw new Error(`${where}: this is no JSON. Choose a file that this page exported.`);
  }
  if (!made || typeof made !== "object") throw new Error(`${where}: this is no answer. Choose a file that this page exported.`);
  if (made.study !== data.study) throw new Error(`${where}, key "study": this answer belongs to another page (${made.study}). Import it there.`);
  if (!order.has(made.item)) throw new Error(`${where}, key "item": this page has no sentence ${made.item}.`);
  if (!VERDICTS.includes(made.verdict)) throw new Error(`${where}, key "verdict": "${made.verdict}" is none of yes, partly, no.`);
  if (typeof made.annotator !== "string" || !made.annotator.trim()) throw new Error(`${where}, key "annotator": the name is missing.`);
  return made;
}

async function read(files) {
  const found = Object.create(null);
  for (const file of files) {
    const text = await file.text();
    text.split(/\r?\n/).forEach((line, number) => {
      if (!line.trim()) return;
      const made = row(line, `${file.name}, line ${number + 1}`);
      const name = made.annotator.trim().replace(/\s+/g, " ");
      found[name] = newest(found[name] || {}, { [made.item]: { ...made, annotator: name } });
    });
  }
  if (!Object.keys(found).length) throw new Error("There are no answers in this file. Choose a file that this page exported.");
  return found;
}

async function take(files) {
  const said = at("imported");
  try {
    const found = await read(files);
    for (const [name, rows] of Object.entries(found)) store(name, rows);
    const counts = Object.entries(found).map(([name, rows]) => `${Object.keys(rows).length} of ${name}`);
    said.className = "";
    said.textContent = `Imported: ${counts.join(", ")}. Where an answer here is newer, it was kept.`;
    start();
  } catch (error) {
    said.className = "bad-news";
    said.textContent = error.message;
  }
}

// ---- wiring

at("begin").addEventListener("submit", (event) => {
  event.preventDefault();
  begin(at("name").value);
});
at("import").addEventListener("change", (event) => {
  take([...event.target.files]).then(() => (event.target.value = ""));
});
for (const button of document.querySelectorAll("[data-verdict]")) {
  button.addEventListener("click", () => rate(button.dataset.verdict));
}
at("back").addEventListener("click", () => move(-1));
at("forward").addEventListener("click", () => move(1));
at("leave").addEventListener("click", pause);
at("export").addEventListener("click", download);
at("go-on").addEventListener("click", () => {
  if (data.items.every((each) => answers[each.item])) {
    place = 0;
    item();
  } else goOn();
});
at("other").addEventListener("click", start);
document.addEventListener("keydown", (event) => {
  if (at("rate").hidden || at("large").open || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const verdict = KEYS[event.key.toLowerCase()];
  if (verdict) rate(verdict);
  else if (event.key === "ArrowLeft") move(-1);
  else if (event.key === "ArrowRight") move(1);
  else return;
  event.preventDefault();
});
at("large").addEventListener("click", () => at("large").close());
window.addEventListener("beforeunload", (event) => {
  if (unsaved) event.preventDefault();
});
// Another tab of the same annotator stored an answer.
window.addEventListener("storage", (event) => {
  if (!annotator || !event.key || !event.key.startsWith(keyOf(annotator))) return;
  answers = newest(answers, stored(annotator));
  progress();
  if (!at("pause").hidden) summary();
});
start();
