// The only script of ours: keys on the review desk, the theme, and closing a tab. Everything works without it, by form.
const desk = () => document.getElementById("desk");
const card = () => document.querySelector("[data-item]");
let shownAt = performance.now();
let busy = false;

const keysOn = () => localStorage.getItem("single-keys") !== "off";
const typing = (target) => target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");

function send(url, values) {
  if (busy) return; // one decision a card: a second key waits for the next card
  busy = true;
  const filters = Object.fromEntries(new FormData(document.getElementById("filters") ?? undefined));
  delete filters.csrfmiddlewaretoken;
  // resolved right after the swap, before settling: the next key may come a few milliseconds later
  htmx.ajax("POST", url, { target: "#desk", swap: "outerHTML", values: { ...filters, ...values } }).then(ready, failed);
}

function ready() {
  busy = false;
  shownAt = performance.now();
  desk()?.focus({ preventScroll: true });
}

function failed() {
  busy = false;
  const status = document.getElementById("status");
  if (status) status.textContent = "The server did not answer: nothing was decided. Press the key again.";
}

function decide(verdict) {
  const at = card();
  if (!at) return;
  send(at.dataset.decide, { verdict, seconds: ((performance.now() - shownAt) / 1000).toFixed(2), key: at.dataset.key });
}

const actions = {
  a: () => decide("accept"),
  x: () => decide("reject"),
  e: () => openForm("editor"),
  r: () => openForm("skip-reason"),
  n: () => decide("unsure"),
  k: () => decide("expected"),
  " ": () => card() && send(card().dataset.skip, {}),
  u: () => desk() && send(desk().dataset.undo, {}),
  Backspace: () => desk() && send(desk().dataset.undo, {}),
  o: () => { const more = document.getElementById("same"); if (more) more.open = !more.open; },
  v: () => document.querySelector("[data-reveal]")?.requestSubmit(),
  "?": () => document.getElementById("keys")?.showModal(),
};

function openForm(id) {
  const form = document.getElementById(id);
  if (!form) return;
  form.hidden = false;
  const first = form.querySelector("input:not([type=hidden])");
  first?.focus();
  first?.select?.();
}

document.addEventListener("keydown", (event) => {
  const opened = document.querySelector("form.editor:not([hidden])");
  if (event.key === "Escape" && opened) {
    opened.hidden = true;
    desk()?.focus();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (document.querySelector("dialog[open]") || typing(event.target) || !keysOn()) return;
  const named = [...document.querySelectorAll("[data-hotkey]")].find((one) => one.dataset.hotkey === event.key);
  if (named && !busy) {
    event.preventDefault();
    named.click();
    return;
  }
  if (!desk()) return;
  if (event.key === " " && event.target.closest("button, a, summary, input")) return; // space presses what has the focus
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

document.addEventListener("click", (event) => {
  const pressed = event.target.closest("[data-action]");
  if (!pressed) return;
  event.preventDefault();
  actions[pressed.dataset.action]?.();
});

document.addEventListener("change", (event) => {
  const form = event.target.closest("#group");
  if (!form || event.target.name !== "item") return;
  event.target.closest("tr").classList.toggle("apart", !event.target.checked);
  const ticked = form.querySelectorAll("[name=item]:checked").length + Number(form.dataset.unlisted);
  for (const shown of form.querySelectorAll("[data-ticked]")) shown.textContent = ticked;
});

document.addEventListener("submit", (event) => {
  if (event.target.id === "skip-reason") {
    event.preventDefault();
    send(card().dataset.skip, { reason: new FormData(event.target).get("reason") });
    return;
  }
  if (event.target.id !== "editor") return;
  event.preventDefault();
  const at = card();
  if (!at) return;
  const form = new FormData(event.target);
  const values = { verdict: "edit", seconds: ((performance.now() - shownAt) / 1000).toFixed(2), key: at.dataset.key };
  for (const name of new Set(form.keys())) values[name] = form.getAll(name).length > 1 ? form.getAll(name) : form.get(name);
  send(at.dataset.decide, values);
});

document.getElementById("theme")?.addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme === "dark" || (root.dataset.theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  root.dataset.theme = dark ? "light" : "dark";
  document.cookie = `theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`;
});

const switchKeys = document.getElementById("single-keys");
if (switchKeys) {
  switchKeys.checked = keysOn();
  switchKeys.addEventListener("change", () => localStorage.setItem("single-keys", switchKeys.checked ? "on" : "off"));
}

addEventListener("pagehide", () => {
  const at = desk();
  if (!at?.dataset.release || !card()) return;
  const token = JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"];
  const form = new FormData();
  form.append("csrfmiddlewaretoken", token);
  navigator.sendBeacon(at.dataset.release, form);
});
