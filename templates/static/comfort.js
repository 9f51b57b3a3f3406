// The threshold by comfort: the numbers of every step lie in the table below, so moving the slider asks no server.
const slider = document.getElementById("place");
const steps = [...document.querySelectorAll("#comfort-steps tbody tr")];

function show() {
  const step = steps[Number(slider.value)].dataset;
  document.getElementById("comfort-k").textContent = step.k;
  document.getElementById("comfort-alarms").textContent = `${step.alarms} alarm${step.alarms === "1" ? "" : "s"}`;
  document.getElementById("comfort-excess").textContent = step.excess;
  slider.setAttribute("aria-valuetext", `above ${step.k}: ${step.alarms} alarms`);
}

slider?.addEventListener("input", show);
if (slider) show();
