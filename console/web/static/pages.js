// Channels of a master are dragged onto a version: what the form below each version does by keyboard.
"use strict";
(() => {
  const line = document.getElementById("line"), form = document.getElementById("promote");
  if (!line || !form) return;
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
    if (!window.confirm(line.dataset.says.replace("{0}", channel).replace("{1}", number))) return;
    form.elements.channel.value = channel;
    form.elements.version.value = number;
    form.submit();
  });
})();
