// A person's own records: take over a suggested value, and keep the focus where the answer appears.
document.addEventListener("click", (event) => {
  const use = event.target.closest("[data-use]");
  const input = use?.closest("form")?.querySelector("[name=value]");
  if (!input) return;
  input.value = use.dataset.use;
  input.dispatchEvent(new Event("input", { bubbles: true }));
  input.focus();
});

document.addEventListener("htmx:afterSwap", (event) => {
  const panel = document.getElementById(event.detail.target.id);
  if (panel?.classList.contains("own")) panel.focus({ preventScroll: true });
});
