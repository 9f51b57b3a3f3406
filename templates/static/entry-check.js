// Check at entry for any web form (docs/connecting.md): says, never blocks, and is silent while the server is away or slow.
(() => {
  "use strict";
  const PAUSE = 350, PATIENCE = 4000, REST = 15000, LONGEST = 240000;
  let count = 0;

  const made = (name, text, kind) => {
    const node = document.createElement(name);
    if (text) node.textContent = text;
    if (kind) node.className = kind;
    return node;
  };

  function watch(form) {
    const settings = form.dataset, fields = new Map(), touched = new Set();
    let timer = 0, busy = false, again = false, rest = REST, until = 0, asked = "";

    const inputs = () => [...form.querySelectorAll("[data-column]")];
    const place = form.querySelector("[data-duplicates]") || form.appendChild(made("div"));
    place.ariaLive = "polite";
    place.classList.add("entry-duplicates");

    const fieldOf = (input) => {
      if (fields.has(input)) return fields.get(input);
      const note = made("div", "", "entry-check");
      note.id = `entry-check-${++count}`;
      note.ariaLive = "polite";
      (input.closest("label") || input).after(note);
      input.setAttribute("aria-describedby", `${input.getAttribute("aria-describedby") || ""} ${note.id}`.trim());
      fields.set(input, note);
      return note;
    };
    inputs().forEach(fieldOf);

    const values = () => Object.fromEntries(inputs().map((input) => [input.dataset.column, input.value]));
    const later = (wait = PAUSE) => { clearTimeout(timer); timer = setTimeout(ask, wait); };

    async function ask() {
      const body = { source: settings.source, record: settings.record || null, values: values() };
      const text = JSON.stringify(body);
      if (busy) { again = true; return; }
      if (text === asked || !Object.values(body.values).some((value) => value.trim())) return;
      if (Date.now() < until) { later(until - Date.now()); return; }
      busy = true;
      const headers = { "Content-Type": "application/json" };
      if (settings.key) headers.Authorization = `Key ${settings.key}`;
      else if (settings.csrf) headers["X-CSRFToken"] = settings.csrf;
      const stop = new AbortController();
      const patience = setTimeout(() => stop.abort(), PATIENCE);
      try {
        const answer = await fetch(settings.check, {
          method: "POST", headers, body: text, signal: stop.signal, credentials: settings.key ? "omit" : "same-origin",
        });
        if (!answer.ok) throw answer;
        const said = await answer.json();
        asked = text;
        rest = REST;
        show(said, body.values);
      } catch {
        until = Date.now() + rest;  // what was typed meanwhile, or went unanswered, is asked then
        rest = Math.min(2 * rest, LONGEST);
        again = true;
      } finally {
        clearTimeout(patience);
        busy = false;
        if (again) { again = false; later(); }
      }
    }

    function show(said, sent) {
      const now = values();
      for (const input of inputs()) {
        const column = input.dataset.column;
        if (now[column] !== sent[column]) continue;
        const found = said.fields.find((one) => one.column === column);
        const better = said.suggestions.filter((one) => one.column === column).slice(0, 2);
        const wrong = Boolean(found && !found.valid && (input.value.trim() || touched.has(input)));
        tell(input, wrong, wrong ? found.words : better.length ? better[0].words : "", better);
      }
      const broken = said.broken.map((rule) => made("p", rule.words, "entry-wrong"));
      place.replaceChildren(...broken, ...duplicates(said.duplicates));
    }

    function tell(input, wrong, words, better) {
      const note = fieldOf(input);
      if (wrong) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
      const buttons = better.map((one, order) => {
        const button = made("button", `Use “${one.value}”${order ? "" : " (Alt+Enter)"}`, "entry-use");
        button.type = "button";
        button.addEventListener("click", () => take(input, one.value));
        return button;
      });
      const next = [...(words ? [made("span", words, wrong ? "entry-wrong" : "entry-hint")] : []), ...buttons];
      if (note.textContent !== next.map((node) => node.textContent).join("")) note.replaceChildren(...next);
    }

    function take(input, value) {
      input.value = value;
      for (const name of ["input", "change"]) input.dispatchEvent(new Event(name, { bubbles: true }));
      tell(input, false, "", []);
      input.focus();
    }

    function duplicates(found) {
      if (!found.length) return [];
      const list = made("ul");
      for (const one of found) {
        const row = list.appendChild(made("li"));
        const name = row.appendChild(made(one.record ? "a" : "strong", one.title));
        const href = new URL(`/records/${one.record}/`, new URL(settings.check, location));
        if (one.record) Object.assign(name, { href, target: "_blank", rel: "noopener" });
        row.append(` ${Math.round(100 * one.probability)} % the same${one.source ? `, in ${one.source} (${one.external_id})` : ""}`);
        const why = one.reasons.filter((reason) => reason.weight > 0).map((reason) => reason.words || `${reason.feature} agrees`);
        if (why.length) row.append(made("div", why.join("; "), "entry-why"));
      }
      return [made("strong", `There already? ${found.length} possible`), list];
    }

    form.addEventListener("input", (event) => { if (event.target.dataset.column) later(); });
    form.addEventListener("focusout", (event) => {
      if (!event.target.dataset.column || touched.has(event.target)) return;
      touched.add(event.target);
      asked = "";
      later(0);
    });
    form.addEventListener("keydown", (event) => {
      const use = event.key === "Enter" && event.altKey && fields.get(event.target)?.querySelector("button");
      if (!use) return;
      event.preventDefault();
      use.click();
    });
    if (inputs().some((input) => "defaultValue" in input && input.value !== input.defaultValue)) later();  // typed before this script was here
  }

  const start = () => document.querySelectorAll("form[data-check]").forEach(watch);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
