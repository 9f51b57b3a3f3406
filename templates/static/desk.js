// The review desk. The next cards lie ready, so a key shows the next one at once; its verdict is sent behind it, one
// after the other, and belongs to the card that was on the screen when the key was pressed.
import { actionOf, keysOn, label, startKeys, typing } from "./keys.js";

const desk = document.getElementById("desk");
const place = document.getElementById("place");
const statusLine = document.getElementById("status");
const DEPTH = 3, DEEPEST = 10, UNDOABLE = 20, TYPED_AHEAD = 40, KEEP_EVERY = 60_000;

let shown = null; // the card on the screen
let stock = []; // the cards to come, in order
let past = []; // the cards just decided or skipped, the latest last: {card, job}
let jobs = []; // what the server is still to be told, in order; the first may be under way
let ahead = []; // keys pressed while no card lay on the desk
let depth = DEPTH;
let sent = 0, shownAt = 0, lastActive = 0, lastSent = 0;
let sending = false, ended = false;

const idOf = (card) => card.dataset.item;
const say = (text) => { statusLine.textContent = text; };
const pause = (time) => new Promise((done) => setTimeout(done, time));
const token = () => JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"];

function lay(card) {
  shown = card;
  if (card) { ended = false; document.getElementById("used-up").hidden = document.getElementById("empty").hidden = true; }
  place.replaceChildren(...(card ? [card] : []));
  desk.setAttribute("aria-busy", String(!card && !ended));
  if (card) {
    label(card);
    shownAt = performance.now();
    if (!document.querySelector("dialog[open]")) desk.focus({ preventScroll: true });
    if (ahead.length) requestAnimationFrame(() => setTimeout(() => { const next = shown && ahead.shift(); if (next) perform(next); }));
  }
}

function advance() {
  const next = stock.shift() ?? null;
  if (!next) depth = Math.min(depth + 2, DEEPEST);
  lay(next);
  if (!next && !jobs.length) tell({ url: desk.dataset.next, values: [] });
}

function tell(job) {
  queue(job);
  send();
}

function queue(job) {
  jobs.push(job);
  desk.dataset.waits = jobs.length;
}

const pending = () => jobs.filter((job) => job.settles).map((job) => job.item);
const awaited = () => new Set(jobs.filter((job) => job.item && !job.settles).map((job) => job.item));

function onDesk() {
  return [...new Set([...pending(), ...(shown ? [shown, ...stock] : stock).map(idOf)])];
}

function body(job) {
  const values = new URLSearchParams(new FormData(document.getElementById("filters") ?? undefined));
  for (const [name, value] of job.values) values.append(name, value);
  const held = onDesk().filter((item) => item !== job.item);
  values.set("held", held.join(" "));
  values.set("want", depth + pending().filter((item) => item !== job.item).length);
  return values;
}

async function send() {
  if (sending) return;
  sending = true;
  for (let wait = 1000; jobs.length; ) {
    const job = jobs[0];
    job.underWay = true;
    try {
      const response = await fetch(job.url, {
        method: "POST", body: body(job), keepalive: true,
        headers: { "X-CSRFToken": token(), "HX-Request": "true" },
      });
      lastSent = Date.now();
      if (response.status >= 500) throw new Error("unwell");
      const answer = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("answer");
      if (!answer && (response.redirected || response.status === 403)) {
        say(`You are signed out, or may not decide this. Sign in in another tab: ${jobs.length} of your cards wait here and are sent then.`);
        await pause(5000);
        continue;
      }
      jobs.shift();
      wait = 1000;
      if (answer) take(job, answer);
      else refused(job);
    } catch {
      say(`The server does not answer: ${jobs.length} of your cards wait here and are sent again.`);
      await pause(wait);
      wait = Math.min(wait * 2, 10_000);
    }
  }
  sending = false;
  desk.dataset.waits = 0;
  if (!shown && !ended && stock.length) advance();
}

function refused(job) {
  say("The server refused that: nothing was decided.");
  past = past.filter((one) => one.job !== job);
  if (!shown && !jobs.length) advance();
}

// What the server said: say it, lay down what it gave, take away what is no longer ours.
function take(job, answer) {
  const { outcome, about, said, waiting } = answer.dataset;
  if (said || outcome === "filled") say(said);
  if (outcome !== "kept") { document.getElementById("waiting").textContent = `${waiting} waiting`; budget(answer.dataset); }
  const settled = new Set([...pending(), ...awaited()]);
  for (const item of (answer.dataset.gone ?? "").split(" ")) if (item && !settled.has(item)) away(item);
  let first = null;
  for (const card of [...answer.children]) {
    document.adoptNode(card);
    const item = idOf(card);
    if (settled.has(item)) continue; // its verdict is on the way, or it is about to come back
    if (shown && idOf(shown) === item) { if (!editing()) { const since = shownAt; lay(card); shownAt = since; } }
    else if (item === about) first = card;
    else {
      const at = stock.findIndex((one) => idOf(one) === item);
      if (at >= 0) stock[at] = card;
      else stock.push(card);
    }
  }
  if (first) stock = [first, ...stock.filter((one) => idOf(one) !== about)]; // next, not now: a key may be on its way down
  if (outcome === "refused") past = past.filter((one) => one.job !== job);
  if (job.back && !first && shown && idOf(shown) === about && !answer.querySelector(`[data-item="${about}"]`) && outcome === "nothing") advance();
  ended = !shown && !stock.length && !jobs.length;
  document.getElementById("used-up").hidden = !(ended && answer.dataset.usedUp);
  document.getElementById("empty").hidden = !ended || Boolean(answer.dataset.usedUp);
  if (ended) { ahead = []; lay(null); }
  else if (!shown && stock.length) lay(stock.shift());
}

function away(item) {
  stock = stock.filter((card) => idOf(card) !== item);
  if (shown && idOf(shown) === item && !shown.dataset.gone) {
    shown.dataset.gone = "1"; // not swapped under the reader's hand: the next key goes on
    say("This card was closed meanwhile: any verdict goes on to the next.");
  }
}

function budget({ used, budget: cards }) {
  const line = document.getElementById("budget");
  line.hidden = !cards;
  if (!cards) return;
  const bar = line.querySelector("progress");
  bar.max = cards;
  bar.value = Math.min(used, cards);
  line.querySelector("span").textContent = `${used} of ${cards} today`;
  document.getElementById("used-up-count").textContent = used;
}

function finish(url, settle, values) {
  const card = shown;
  if (!card) return;
  if (card.dataset.gone) { say(""); advance(); return; }
  const seconds = (performance.now() - shownAt) / 1000;
  if (seconds > 2) depth = DEPTH;
  const job = { url, item: idOf(card), settles: settle, values: [...values, ["seconds", seconds.toFixed(2)], ["key", `${card.dataset.key}-${++sent}`]] };
  past = [...past, { card, job }].slice(-UNDOABLE);
  queue(job); // before the next card is laid: what is on its way counts as ours
  advance();
  send();
}

// Whoever knows the card better (merge.js) may hold a verdict back, change it, or add to it.
const asked = (name, detail) => shown.dispatchEvent(new CustomEvent(`desk:${name}`, { bubbles: true, cancelable: true, detail }));

function decide(verdict, more = []) {
  const detail = { verdict, values: [] };
  if (!shown || !asked("verdict", detail)) return;
  finish(shown.dataset.decide, "verdict", [["verdict", detail.verdict], ...more, ...detail.values]);
}

function undo() {
  const latest = past.pop();
  const waits = latest && jobs.includes(latest.job) && !latest.job.underWay;
  if (waits) jobs = jobs.filter((job) => job !== latest.job); // never sent: nothing to take back
  if (shown) stock.unshift(shown);
  if (latest) {
    close(latest.card);
    lay(latest.card);
    if (waits) { say("Undone."); return; }
    const skipped = latest.job.settles === "skip";
    tell({ url: skipped ? desk.dataset.next : desk.dataset.undo, item: idOf(latest.card), back: true, values: [["item", idOf(latest.card)]] });
  } else {
    lay(null);
    tell({ url: desk.dataset.undo, back: true, values: [] });
  }
}

const opened = () => place.querySelector("form.editor:not([hidden])");
const editing = () => Boolean(opened()) || Boolean(shown?.querySelector("[data-chosen], [data-regrouped]")); // a merge in the making
function close(card) { for (const form of card.querySelectorAll("form.editor")) form.hidden = true; }

function openForm(name) {
  const form = place.querySelector(name);
  if (!form) return;
  form.hidden = false;
  const first = form.querySelector("input:not([type=hidden])");
  first?.focus();
  first?.select?.();
}

const actions = {
  accept: () => decide("accept"),
  reject: () => decide("reject"),
  unsure: () => decide("unsure"),
  expected: () => decide("expected"),
  skip: () => shown && finish(shown.dataset.skip, "skip", []),
  undo,
  edit: () => shown && asked("edit") && openForm("#editor"),
  why: () => openForm("#skip-reason"),
  fold: () => { const more = shown?.querySelector("#same"); if (more) more.open = !more.open; },
  comment: () => {
    const box = shown?.querySelector(".comments details");
    if (!box) return;
    box.open = true;
    box.querySelector("textarea").focus();
  },
  reveal: () => shown?.querySelector("[data-reveal]")?.requestSubmit(),
  over: () => tell({ url: desk.dataset.next, values: [["over", "1"]] }),
  help: () => document.getElementById("keys")?.showModal(),
};
const MOVES = new Set(["accept", "reject", "unsure", "expected", "skip"]);

function perform(action) {
  if (shown || ended || !MOVES.has(action)) actions[action]?.();
  else if (ahead.length < TYPED_AHEAD) {
    ahead.push(action); // no card yet: the key waits for the next ones, each shown before its key is taken
    say(`${ahead.length} key${ahead.length > 1 ? "s" : ""} for the next cards; Esc forgets them.`);
  }
}

document.addEventListener("keydown", (event) => {
  lastActive = Date.now();
  if (event.key === "Escape") {
    ahead = [];
    if (editing() || event.target.closest?.(".comments")) { if (shown) close(shown); desk.focus(); }
    return;
  }
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (document.querySelector("dialog[open]") || typing(event.target) || !keysOn()) return;
  if (event.key === " " && event.target.closest("button, a, summary, input")) return; // space presses what has the focus
  const action = actionOf(event.key);
  if (!action) return;
  event.preventDefault();
  perform(action);
});

document.addEventListener("click", (event) => {
  const pressed = event.target.closest("[data-action]");
  if (!pressed) return;
  event.preventDefault();
  perform(pressed.dataset.action);
});

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.id === "editor") {
    event.preventDefault();
    form.hidden = true;
    decide("edit", [...new FormData(form)]);
  } else if (form.id === "skip-reason") {
    event.preventDefault();
    form.hidden = true;
    finish(shown.dataset.skip, "skip", [...new FormData(form)]);
  } else if ("reveal" in form.dataset) {
    event.preventDefault();
    const item = idOf(form.closest("[data-item]"));
    await fetch(form.action, { method: "POST", body: new FormData(form), redirect: "manual" }).catch(() => null);
    tell({ url: desk.dataset.next, values: [["item", item]] }); // the card comes again, in its place
  } else if ("part" in form.dataset) {
    event.preventDefault();
    const part = form.closest("section");
    const response = await fetch(form.action, { method: "POST", body: new FormData(form), headers: { "X-CSRFToken": token(), "HX-Request": "true" } }).catch(() => null);
    const fresh = response && new DOMParser().parseFromString(await response.text(), "text/html").querySelector("section");
    if (!fresh) { say("The server did not take that: try again."); return; }
    part.replaceWith(document.adoptNode(fresh));
    desk.focus({ preventScroll: true });
  }
});

document.addEventListener("pointermove", () => { lastActive = Date.now(); }, { passive: true });

setInterval(async () => {
  const held = onDesk();
  if (!held.length || sending || Date.now() - lastActive > KEEP_EVERY || Date.now() - lastSent < KEEP_EVERY) return;
  tell({ url: desk.dataset.keep, values: [] });
}, KEEP_EVERY);

// The tab is closed: what waits is sent, what lies on the desk is given back.
addEventListener("pagehide", () => {
  for (const job of jobs) {
    const values = body(job);
    values.set("want", 0); // nobody is there to take more
    if (!job.underWay) navigator.sendBeacon(job.url, withToken(values));
  }
  const held = (shown ? [shown, ...stock] : stock).map(idOf).join(" ");
  if (held) navigator.sendBeacon(desk.dataset.release, withToken(new URLSearchParams({ held })));
});

addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

function withToken(values) {
  values.set("csrfmiddlewaretoken", token());
  return values;
}

startKeys();
label(document);
tell({ url: desk.dataset.next, values: desk.dataset.first ? [["item", desk.dataset.first]] : [] });
