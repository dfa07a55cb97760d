// Channels of a master are dragged onto a version, or chosen below it: either way a dialog asks first, and names
// who follows it. Without this script the form below each version leads to a page that asks the same.
"use strict";
(() => {
  const line = document.getElementById("line"), form = document.getElementById("promote"), dialog = document.getElementById("drop");
  if (!line || !form) return;
  const ask = (channel, number) => {
    document.getElementById("drop-title").textContent = line.dataset.says.replace("{0}", channel).replace("{1}", number);
    form.elements.channel.value = channel;
    form.elements.version.value = number;
    dialog.querySelectorAll("[data-follows]").forEach((e) => {
      e.hidden = e.dataset.follows !== channel;
      if (!e.hidden) form.elements.from.value = e.dataset.from;
    });
    dialog.querySelectorAll("[data-holds]").forEach((e) => { e.hidden = e.dataset.holds !== number; });
    dialog.showModal();
  };
  line.addEventListener("submit", (e) => {
    if (!e.target.action.endsWith("/promote")) return;
    e.preventDefault();
    ask(e.target.elements.channel.value, e.target.elements.version.value);
  });
  let held = null;
  const over = (version) => document.querySelectorAll(".version.over").forEach((v) => { if (v !== version) v.classList.remove("over"); });
  document.addEventListener("dragstart", (e) => {
    const chip = e.target.closest?.(".chip.movable");
    if (!chip) return;
    held = chip;
    chip.classList.add("held");
    e.dataTransfer.effectAllowed = "move";
    e.dataTransfer.setData("text/plain", chip.dataset.channel);
  });
  document.addEventListener("dragend", () => { held?.classList.remove("held"); held = null; over(null); });
  line.addEventListener("dragover", (e) => {
    const version = held && e.target.closest(".version:not(.is-damaged)");
    over(version);
    if (!version) return;
    e.preventDefault();
    e.dataTransfer.dropEffect = "move";
    version.classList.add("over");
  });
  line.addEventListener("drop", (e) => {
    const version = held && e.target.closest(".version:not(.is-damaged)");
    if (!version) return;
    e.preventDefault();
    const channel = held.dataset.channel, number = version.dataset.version;
    if ([...version.querySelectorAll(".version-top .chip")].some((c) => c.dataset.channel === channel)) return; // it is there
    ask(channel, number);
  });
})();
