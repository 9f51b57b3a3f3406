// What every page has: the theme, keys named on a page's own links and buttons, ticks of a group. The desk is desk.js.
import { keysOn, typing } from "./keys.js";

document.getElementById("theme")?.addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme === "dark" || (root.dataset.theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  root.dataset.theme = dark ? "light" : "dark";
  document.cookie = `theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`;
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (document.querySelector("dialog[open], form.editor:not([hidden])") || typing(event.target) || !keysOn()) return;
  const named = [...document.querySelectorAll("[data-hotkey]")].find((one) => one.dataset.hotkey === event.key && one.checkVisibility());
  if (!named) return;
  event.preventDefault();
  named.click();
});

document.addEventListener("change", (event) => {
  const form = event.target.closest("#group");
  if (!form || event.target.name !== "item") return;
  event.target.closest("tr").classList.toggle("apart", !event.target.checked);
  const ticked = form.querySelectorAll("[name=item]:checked").length + Number(form.dataset.unlisted);
  for (const shown of form.querySelectorAll("[data-ticked]")) shown.textContent = ticked;
});
