// What pages do in the browser beyond htmx: dialogs, the selection, the state of the stream, rooms that take their shape.
"use strict";
(() => {
  const one = (q, from) => (from || document).querySelector(q);
  const all = (q, from) => [...(from || document).querySelectorAll(q)];
  const announce = (text) => { const e = one("#announce"); if (e) e.textContent = text; };

  // Dialogs: data-dialog names the one that a button opens; forms inside ask before they send.
  document.addEventListener("click", (e) => {
    const open = e.target.closest("[data-dialog]");
    if (open) {
      const d = document.getElementById(open.dataset.dialog);
      if (d) { e.preventDefault(); d.showModal(); }
      return;
    }
    if (e.target.closest("[data-close]")) { e.target.closest("dialog")?.close(); return; }
    if (e.target.closest("[data-print]")) { window.print(); return; }
    all("details.drop[open]").forEach((d) => { if (!d.contains(e.target)) d.open = false; });
  });
  document.addEventListener("keydown", (e) => {
    if (e.key === "Escape") all("details.drop[open],details.menu[open]").forEach((d) => { d.open = false; one("summary", d).focus(); });
  });
  one("[data-onward]")?.click();

  // A sentence that has to be typed: its button wakes when it is there. The server checks it again.
  const plain = (s) => s.normalize("NFC").trim().replace(/\s+/g, " ").toLowerCase();
  const typed = () => all("[data-typed]").forEach((input) => {
    const right = plain(input.value) === plain(input.dataset.typed);
    const button = document.getElementById(input.dataset.wakes);
    if (button) button.disabled = !right;
  });
  document.addEventListener("input", typed);
  typed();

  // Choices that show what belongs to them: <input data-shows="id">.
  const shown = () => all("[data-shows]").forEach((c) => { const e = document.getElementById(c.dataset.shows); if (e) e.hidden = !c.checked; });
  document.addEventListener("change", shown);
  shown();
  document.addEventListener("change", (e) => { if (e.target.matches("[data-send]")) e.target.form.requestSubmit(); });

  // The stream: whether what is shown is live.
  const pulse = one("#pulse");
  const say = (on) => {
    if (!pulse || pulse.classList.contains("lost") === !on) return;
    pulse.classList.toggle("lost", !on);
    one("span", pulse).textContent = on ? pulse.dataset.on : pulse.dataset.off;
    announce(on ? pulse.dataset.on : pulse.dataset.off);
  };
  document.addEventListener("htmx:sseOpen", (e) => { say(true); e.detail.source?.addEventListener("ended", () => location.reload()); });
  document.addEventListener("htmx:sseError", () => say(false));

  // The selection: boxes of tiles, and a bar that sends them on.
  const bar = one("#selection");
  const picked = () => all(".tile-pick input:checked").map((i) => i.value);
  const count = () => {
    if (!bar) return;
    const ids = picked();
    bar.hidden = ids.length === 0;
    one("[data-count]", bar).textContent = (ids.length === 1 ? bar.dataset.one : bar.dataset.many).replace("#", ids.length);
    all("input[name=pc]", bar).forEach((i) => i.remove());
    const form = one("form", bar);
    ids.forEach((id) => { const i = document.createElement("input"); i.type = "hidden"; i.name = "pc"; i.value = id; form.append(i); });
  };
  let kept = new Set();
  document.addEventListener("change", (e) => {
    if (e.target.matches("[data-pick-all]")) all(".tile-pick input", e.target.closest(".board")).forEach((i) => { i.checked = e.target.checked; });
    if (e.target.matches(".tile-pick input,[data-pick-all]")) { kept = new Set(picked()); count(); }
    if (e.target.matches("[data-check-all]")) all("input[type=checkbox]", document.getElementById(e.target.dataset.checkAll)).forEach((i) => { if (!i.disabled) i.checked = e.target.checked; });
  });
  document.addEventListener("click", (e) => {
    if (!e.target.closest("[data-pick-none]")) return;
    all(".tile-pick input:checked,[data-pick-all]:checked").forEach((i) => { i.checked = false; });
    kept.clear(); count();
  });
  document.addEventListener("htmx:oobAfterSwap", () => {
    if (kept.size) all(".tile-pick input").forEach((i) => { if (kept.has(i.value)) i.checked = true; });
    count();
  });

  // The shape of a room: tiles are dragged, or moved with the arrow keys, and kept when it is done.
  const plan = one("[data-arrange]");
  const start = one("[data-arrange-begin]");
  if (!plan || !start) { count(); return; }
  const form = one("#arrange");
  const at = (t) => [Number(t.dataset.x), Number(t.dataset.y)];
  const put = (t, x, y) => {
    t.classList.remove("x" + t.dataset.x, "y" + t.dataset.y);
    t.dataset.x = x; t.dataset.y = y;
    t.classList.add("x" + x, "y" + y);
  };
  const on = (x, y, but) => all(".tile", plan).find((t) => t !== but && Number(t.dataset.x) === x && Number(t.dataset.y) === y);
  const clamp = (n) => Math.max(0, Math.min(99, n));
  const move = (t, x, y) => { // two that meet change places
    const [ox, oy] = at(t);
    if (x === ox && y === oy) return;
    const other = on(x, y, t);
    put(t, x, y);
    if (other) put(other, ox, oy);
    announce(plan.dataset.says.replace("{0}", t.dataset.name).replace("{1}", x + 1).replace("{2}", y + 1));
  };
  const arranging = () => plan.classList.contains("arranging");
  const cell = () => {
    const s = getComputedStyle(plan), gap = parseFloat(s.columnGap), rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    return [parseFloat(s.getPropertyValue("--tile-w")) * rem + gap, parseFloat(s.getPropertyValue("--tile-h")) * rem + gap, parseFloat(s.paddingLeft), parseFloat(s.paddingTop)];
  };
  const mode = (go) => {
    plan.classList.toggle("arranging", go);
    start.hidden = go; form.hidden = !go;
    document.body.classList.toggle("is-arranging", go);
    all(".tile", plan).forEach((t) => {
      if (go) { t.tabIndex = 0; t.setAttribute("role", "button"); t.setAttribute("aria-label", t.dataset.name); one("a", t)?.setAttribute("tabindex", "-1"); }
      else { t.removeAttribute("tabindex"); t.removeAttribute("role"); t.removeAttribute("aria-label"); one("a", t)?.removeAttribute("tabindex"); }
    });
    if (go) { announce(plan.dataset.help); one(".tile", plan)?.focus(); }
  };
  start.addEventListener("click", () => mode(true));
  one("[data-arrange-end]")?.addEventListener("click", () => location.reload());
  document.addEventListener("htmx:sseBeforeMessage", (e) => { if (arranging()) e.preventDefault(); });
  let held = null, from = null;
  plan.addEventListener("pointerdown", (e) => {
    const t = e.target.closest(".tile");
    if (!arranging() || !t || e.button > 0) return;
    held = t; from = [e.clientX, e.clientY];
    t.setPointerCapture(e.pointerId); t.classList.add("held"); e.preventDefault(); t.focus();
  });
  plan.addEventListener("pointermove", (e) => { if (held) held.style.translate = (e.clientX - from[0]) + "px " + (e.clientY - from[1]) + "px"; });
  const drop = (e) => {
    if (!held) return;
    const t = held, [w, h, left, top] = cell(), r = plan.getBoundingClientRect(), m = t.getBoundingClientRect();
    held = null; t.classList.remove("held"); t.style.translate = "";
    if (e.type === "pointercancel") return;
    const x = (m.left + m.width / 2 - r.left - left + plan.scrollLeft) / w, y = (m.top + m.height / 2 - r.top - top) / h;
    move(t, clamp(Math.floor(x)), clamp(Math.floor(y)));
  };
  plan.addEventListener("pointerup", drop);
  plan.addEventListener("pointercancel", drop);
  plan.addEventListener("keydown", (e) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
    const t = e.target.closest(".tile");
    if (!arranging() || !t || !step) return;
    e.preventDefault();
    const [x, y] = at(t);
    move(t, clamp(x + step[0]), clamp(y + step[1]));
    t.focus();
  });
  form.addEventListener("submit", () => {
    one("input[name=plan]", form).value = all(".tile", plan).map((t) => [t.dataset.id, ...at(t)].join(" ")).join("\n");
  });
  count();
})();
