// The merge on a card: digits choose the value of the row at hand, or tick records on and off. What is chosen is planned
// anew by the server beside the page, so that collisions are seen before anything is written; no key waits for that.
import { actionOf, keysOn, typing } from "./keys.js";

const merge = () => document.querySelector("[data-merge]");
const rows = (at) => [...at.querySelectorAll("[data-row]")];
const status = (text) => { const line = document.getElementById("status"); if (line) line.textContent = text; };
const confirmed = new WeakSet(); // cards whose collisions the person has confirmed by a second key
let asked = 0;

function current(at) {
  return at.querySelector("[data-row].at") ?? at.querySelector("[data-ask]:not([data-chosen])") ?? at.querySelector("tr[data-row]");
}

function stand(row, mode = "") {
  if (!row) return;
  for (const one of rows(row.closest("[data-merge]"))) { one.classList.toggle("at", one === row); delete one.dataset.mode; }
  if (mode) row.dataset.mode = mode;
  row.scrollIntoView({ block: "nearest" });
}

function step(by) {
  const all = rows(merge()), row = current(merge());
  const next = all[Math.min(Math.max(all.indexOf(row) + by, 0), all.length - 1)];
  stand(next, next.dataset.row === "members" ? "tick" : "");
  status(next.dataset.row === "members" ? "Records" : next.dataset.row);
}

// Field -> value of what a person chose, and who is ticked and stays.
function choices(at) {
  const values = [];
  for (const row of at.querySelectorAll("tr[data-chosen]")) {
    const own = row.querySelector(".typed"), picked = row.querySelector("input[type=radio]:checked");
    values.push(picked ? [`pick:${row.dataset.row}`, picked.value] : [`field:${row.dataset.row}`, own.value]);
  }
  if (at.dataset.regrouped) {
    const stays = at.querySelector("[name=survivor]:checked");
    values.push(["survivor", stays.value]);
    for (const one of at.querySelectorAll("[name=member]")) if (one.type === "hidden" || one.checked) values.push(["member", one.value]);
    if (at.querySelector("[name=split]:checked")) values.push(["split", "1"]);
  }
  return values;
}

async function plan(at) {
  const turn = ++asked, name = current(at)?.dataset.row, mode = current(at)?.dataset.mode ?? "";
  at.dataset.plan = ""; // what is shown is no longer what would be done, until the answer comes
  const response = await fetch(`${at.dataset.merge}?${new URLSearchParams(choices(at))}`, { headers: { "HX-Request": "true" } }).catch(() => null);
  if (!response?.ok || turn !== asked || !at.isConnected) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html").querySelector("[data-merge]");
  if (!fresh || turn !== asked || !at.isConnected || at.querySelector(".typed:not([hidden])")) return;
  if (at.dataset.regrouped) fresh.dataset.regrouped = "1";
  for (const id of ["same", "exact"]) { const old = at.querySelector(`#${id}`), now = fresh.querySelector(`#${id}`); if (old && now) now.open = old.open; }
  const held = at.contains(document.activeElement) && document.activeElement !== document.body;
  at.replaceWith(document.adoptNode(fresh));
  stand(rows(fresh).find((row) => row.dataset.row === name), mode);
  if (held) document.getElementById("desk")?.focus({ preventScroll: true });
}

function chosen(row, text) {
  const at = row.closest("[data-merge]"), golden = row.querySelector(".golden");
  row.dataset.chosen = "1";
  golden.querySelector(".choose")?.remove();
  const [value, why] = [golden.querySelector(".value") ?? document.createElement("span"), golden.querySelector(".quiet")];
  value.className = row.querySelector("input[type=radio]:checked") ? "value sr" : "value";
  value.textContent = text || "blank";
  if (!value.isConnected) golden.prepend(value);
  golden.querySelector(".tag")?.remove();
  if (why) why.textContent = " your choice";
  status(`${row.dataset.row}: ${text || "blank"}`);
  const waiting = at.querySelector("[data-ask]:not([data-chosen])");
  stand(waiting ?? row);
  plan(at);
}

function regrouped(at) {
  const stays = at.querySelector("[name=survivor]:checked");
  const ticked = [...at.querySelectorAll("[name=member]")].filter((one) => one.type === "hidden" || one.checked);
  if (!ticked.some((one) => one.value === stays?.value)) at.querySelector(`[name=survivor][value="${ticked[0].value}"]`).checked = true;
  const split = at.querySelector(".split");
  if (split) {
    split.hidden = at.querySelectorAll("[name=member]:not(:checked)").length < 2;
    if (split.hidden) split.querySelector("input").checked = false;
  }
  at.dataset.regrouped = "1";
  plan(at);
}

const textOf = (option) => (option.parentElement.querySelector(".blank") ? "" : option.parentElement.querySelector(".text").textContent);

function digit(number) {
  const at = merge(), row = current(at);
  if (!row) return;
  if (row.dataset.row !== "members") {
    const option = row.querySelector(`input[data-n="${number}"]`);
    if (option) { option.checked = true; chosen(row, textOf(option)); }
    return;
  }
  const wanted = row.querySelector(`[name=${row.dataset.mode === "stays" ? "survivor" : "member"}][data-n="${number}"]`);
  if (wanted) wanted.click();
}

const keys = {
  ArrowDown: () => step(1),
  ArrowUp: () => step(-1),
  m: () => { stand(merge().querySelector(".members"), "tick"); status("Digits tick records on and off."); },
  t: () => { stand(merge().querySelector(".members"), "stays"); status("A digit says which record stays."); },
  "/": () => merge().querySelector(".split:not([hidden]) input")?.click(),
  w: () => { const exact = merge().querySelector("#exact"); exact.open = !exact.open; },
};

document.addEventListener("keydown", (event) => {
  const own = event.target.closest?.(".typed");
  if (own) {
    if (event.key === "Enter") { event.preventDefault(); keepOwn(own); }
    if (event.key === "Escape") { own.hidden = true; document.getElementById("desk")?.focus(); }
    return;
  }
  if (!merge() || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (document.querySelector("dialog[open]") || typing(event.target) || !keysOn() || actionOf(event.key)) return; // a key of the desk comes first
  if (event.key.startsWith("Arrow") && event.target.matches("input")) return; // radios have arrows of their own
  if (/^[1-9]$/.test(event.key)) digit(event.key);
  else if (Object.hasOwn(keys, event.key)) keys[event.key]();
  else return;
  event.preventDefault();
});

function keepOwn(own) {
  const row = own.closest("[data-row]");
  own.hidden = true;
  for (const option of row.querySelectorAll("input[type=radio]")) option.checked = false;
  document.getElementById("desk")?.focus({ preventScroll: true });
  chosen(row, own.value.trim());
}

document.addEventListener("change", (event) => {
  const at = event.target.closest("[data-merge]");
  if (!at) return;
  if (event.target.name === "member") {
    const ticked = [...at.querySelectorAll("[name=member]:checked")];
    if (ticked.length < 2) { event.target.checked = true; status("A merge needs two records: reject the card instead."); return; }
  }
  if (["member", "survivor", "split"].includes(event.target.name)) regrouped(at);
  else if (event.target.type === "radio") chosen(event.target.closest("[data-row]"), textOf(event.target));
});

document.addEventListener("submit", (event) => { if ("merge" in event.target.dataset) event.preventDefault(); });

// The desk asks before a verdict goes out: what is still to be chosen holds it back, what was chosen goes with it.
document.addEventListener("desk:verdict", (event) => {
  const at = event.target.querySelector("[data-merge]");
  if (!at || event.detail.verdict !== "accept") return;
  const waiting = at.querySelector("[data-ask]:not([data-chosen])");
  if (waiting) {
    event.preventDefault();
    stand(waiting);
    status(`Choose ${waiting.dataset.row} first: press the digit of its value.`);
    return;
  }
  if (Number(at.dataset.collides) && !confirmed.has(event.target)) {
    event.preventDefault();
    confirmed.add(event.target);
    status("This would collide: press the key again to merge all the same.");
    return;
  }
  const values = choices(at);
  if (values.length) event.detail.verdict = "edit";
  if (at.dataset.plan) values.push(["seen", at.dataset.plan]);
  if (confirmed.has(event.target)) values.push(["allow_collisions", "1"]);
  event.detail.values.push(...values);
});

document.addEventListener("desk:edit", (event) => {
  const at = event.target.querySelector("[data-merge]");
  const row = at && (current(at)?.matches("tr") ? current(at) : at.querySelector("tr[data-row]"));
  if (!row) return;
  event.preventDefault();
  stand(row);
  const own = row.querySelector(".typed");
  own.hidden = false;
  own.focus();
  own.select();
});
