// Single keys of the review desk: which key does what, switched off or changed by the person, kept in this browser.
const DEFAULTS = {
  accept: "a", reject: "x", edit: "e", skip: " ", why: "r", unsure: "n", expected: "k", undo: "u", fold: "o", comment: "c", reveal: "v", help: "?",
};
const NAMES = { " ": "space" };
const stored = () => { try { return JSON.parse(localStorage.getItem("keys") ?? "{}"); } catch { return {}; } };
let chosen = { ...DEFAULTS, ...stored() };

export const keysOn = () => localStorage.getItem("single-keys") !== "off";
export const nameOf = (action) => NAMES[chosen[action]] ?? chosen[action] ?? "";

export function actionOf(key) {
  if (key === "Backspace") return "undo";
  return Object.keys(chosen).find((action) => chosen[action] && chosen[action] === key);
}

// Write the person's own keys on the buttons of a part of the page.
export function label(root) {
  for (const button of root.querySelectorAll("[data-action]")) {
    const kbd = button.querySelector("kbd");
    if (!kbd || !(button.dataset.action in chosen)) continue;
    kbd.textContent = nameOf(button.dataset.action);
    kbd.hidden = !kbd.textContent || !keysOn();
  }
}

export function typing(target) {
  return target.closest?.("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");
}

function keep() {
  const changed = Object.entries(chosen).filter(([action, key]) => key !== DEFAULTS[action]);
  localStorage.setItem("keys", JSON.stringify(Object.fromEntries(changed)));
  show();
  label(document);
}

function show() {
  for (const field of document.querySelectorAll("[data-key-for]")) field.value = nameOf(field.dataset.keyFor);
}

function say(text) {
  document.getElementById("keys-said").textContent = text;
}

// A key pressed into a field becomes that action's key; another action that had it loses it, and is named.
function choose(event) {
  const field = event.target.closest("[data-key-for]");
  if (!field || event.key === "Tab" || event.key === "Escape" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key.length > 1 && event.key !== "Backspace" && event.key !== "Delete") return;
  event.preventDefault();
  event.stopPropagation();
  const action = field.dataset.keyFor;
  const key = event.key.length > 1 ? "" : event.key;
  const other = key && Object.keys(chosen).find((one) => one !== action && chosen[one] === key);
  if (other) chosen[other] = "";
  chosen[action] = key;
  keep();
  say(other ? `“${key}” was the key for ${other}: that has none now.` : key ? "" : `No key for ${action} now.`);
}

export function startKeys() {
  const switched = document.getElementById("single-keys");
  const dialog = document.getElementById("keys");
  if (!switched || !dialog) return;
  switched.checked = keysOn();
  switched.addEventListener("change", () => {
    localStorage.setItem("single-keys", switched.checked ? "on" : "off");
    label(document);
  });
  dialog.addEventListener("keydown", choose);
  document.getElementById("keys-reset").addEventListener("click", () => { chosen = { ...DEFAULTS }; keep(); say("The keys are as they were."); });
  show();
}
