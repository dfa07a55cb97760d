// What pages do in the browser beyond htmx: dialogs, the selection, the state of the stream, rooms that take their shape.
"use strict";
(() => {
  const one = (q, from) => (from || document).querySelector(q);
  const all = (q, from) => [...(from || document).querySelectorAll(q)];
  const announce = (text) => { const e = one("#announce"); if (e) e.textContent = text; };

  // Dialogs: data-dialog names the one that a link opens; forms inside ask before they send. Without this script the link
  // shows it in the page, as its target.
  document.addEventListener("click", (e) => {
    const open = e.target.closest("[data-dialog]");
    if (open) {
      const d = document.getElementById(open.dataset.dialog);
      if (d) { e.preventDefault(); d.showModal(); }
      return;
    }
    if (e.target.closest("[data-close]")) {
      const d = e.target.closest("dialog");
      if (d?.open) { e.preventDefault(); d.close(); }
      return;
    }
    if (e.target.closest("[data-print]")) { window.print(); return; }
    all("details.drop[open]").forEach((d) => { if (!d.contains(e.target)) d.open = false; });
  });
  document.addEventListener("keydown", (e) => {
    if (e.key === " " && e.target.matches("a[role=button]")) { e.preventDefault(); e.target.click(); }
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
    one("span", pulse).textContent = on ? pulse.dataset.fresh : pulse.dataset.stale;
    announce(on ? pulse.dataset.fresh : pulse.dataset.stale);
  };
  document.addEventListener("htmx:sseOpen", (e) => {
    const source = e.detail.source;
    say(true);
    source?.addEventListener("ended", () => { source.close(); location.reload(); });
  });
  document.addEventListener("htmx:sseError", () => say(false));

  // The selection: boxes of tiles, and a bar that sends them on.
  const bar = one("#selection");
  const boxes = (board) => all(".tile:not(.dim) .tile-pick input", board); // those that a filter asks for
  const picked = () => all(".tile-pick input:checked").map((i) => i.value);
  const count = () => {
    if (!bar) return;
    const ids = picked();
    bar.hidden = ids.length === 0;
    one("[data-count]", bar).textContent = (ids.length === 1 ? bar.dataset.single : bar.dataset.many).replace("#", ids.length);
    all("input[name=pc]", bar).forEach((i) => i.remove());
    const form = one("form", bar);
    ids.forEach((id) => { const i = document.createElement("input"); i.type = "hidden"; i.name = "pc"; i.value = id; form.append(i); });
    all("[data-pick-all]").forEach((whole) => {
      const of = boxes(whole.closest(".board")), n = of.filter((i) => i.checked).length;
      whole.checked = n > 0 && n === of.length; whole.indeterminate = n > 0 && n < of.length;
    });
  };
  let kept = new Set();
  document.addEventListener("change", (e) => {
    if (e.target.matches("[data-pick-all]")) {
      const on = e.target.checked, board = e.target.closest(".board");
      (on ? boxes(board) : all(".tile-pick input", board)).forEach((i) => { i.checked = on; });
    }
    if (e.target.matches(".tile-pick input,[data-pick-all]")) { kept = new Set(picked()); count(); }
    if (e.target.matches("[data-check-all]")) all("input[type=checkbox]", document.getElementById(e.target.dataset.checkAll)).forEach((i) => { if (!i.disabled) i.checked = e.target.checked; });
  });
  document.addEventListener("click", (e) => {
    if (!e.target.closest("[data-pick-none]")) return;
    all(".tile-pick input:checked").forEach((i) => { i.checked = false; });
    kept.clear(); count();
  });
  let due = false; // a message brings many elements: they are counted once
  document.addEventListener("htmx:oobAfterSwap", () => {
    if (due) return;
    due = true;
    queueMicrotask(() => {
      due = false;
      if (kept.size) all(".tile-pick input").forEach((i) => { if (kept.has(i.value)) i.checked = true; });
      count();
    });
  });

  // The shape of a room: tiles are dragged, or moved with the arrow keys, and kept when it is done. The plan is looked up
  // each time, for the stream may have put another in its place.
  const plan = () => one("[data-arrange]");
  const start = one("[data-arrange-begin]"), form = one("#arrange");
  count();
  if (!start || !form) return;
  const arranging = () => !form.hidden;
  const at = (t) => [Number(t.dataset.x), Number(t.dataset.y)];
  const put = (t, x, y) => {
    t.classList.remove("x" + t.dataset.x, "y" + t.dataset.y);
    t.dataset.x = x; t.dataset.y = y;
    t.classList.add("x" + x, "y" + y);
  };
  const clamp = (n) => Math.max(0, Math.min(99, n));
  const moved = new Set(); // others may move others at the same time
  const move = (t, x, y) => { // two that meet change places
    const [ox, oy] = at(t);
    if (x === ox && y === oy) return;
    moved.add(t.dataset.id);
    const other = all(".tile", plan()).find((o) => o !== t && Number(o.dataset.x) === x && Number(o.dataset.y) === y);
    put(t, x, y);
    if (other) { put(other, ox, oy); moved.add(other.dataset.id); }
    announce(plan().dataset.says.replace("{0}", t.dataset.name).replace("{1}", x + 1).replace("{2}", y + 1));
  };
  start.addEventListener("click", () => {
    form.hidden = false; start.hidden = true;
    plan().classList.add("arranging");
    all(".tile", plan()).forEach((t) => {
      t.tabIndex = 0; t.setAttribute("role", "button"); t.setAttribute("aria-label", t.dataset.name);
      all("a,input", t).forEach((e) => e.setAttribute("tabindex", "-1"));
    });
    announce(plan().dataset.help);
    one(".tile", plan())?.focus();
  });
  one("[data-arrange-end]")?.addEventListener("click", () => location.reload());
  document.addEventListener("htmx:sseBeforeMessage", (e) => { if (arranging()) e.preventDefault(); });
  let held = null, from = null;
  document.addEventListener("pointerdown", (e) => {
    const t = arranging() && e.button === 0 && e.target.closest("[data-arrange] .tile");
    if (!t) return;
    held = t; from = [e.clientX, e.clientY];
    t.setPointerCapture(e.pointerId); t.classList.add("held"); t.focus(); e.preventDefault();
  });
  document.addEventListener("pointermove", (e) => { if (held) held.style.translate = (e.clientX - from[0]) + "px " + (e.clientY - from[1]) + "px"; });
  const drop = (e) => {
    if (!held) return;
    const t = held, p = plan(), s = getComputedStyle(p), r = p.getBoundingClientRect(), m = t.getBoundingClientRect(), gap = parseFloat(s.columnGap);
    held = null; t.classList.remove("held"); t.style.translate = "";
    if (e.type === "pointercancel") return;
    const x = (m.left + m.width / 2 - r.left - parseFloat(s.paddingLeft) + p.scrollLeft) / (m.width + gap);
    const y = (m.top + m.height / 2 - r.top - parseFloat(s.paddingTop)) / (m.height + gap);
    move(t, clamp(Math.floor(x)), clamp(Math.floor(y)));
  };
  document.addEventListener("pointerup", drop);
  document.addEventListener("pointercancel", drop);
  document.addEventListener("keydown", (e) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
    const t = arranging() && step && e.target.closest("[data-arrange] .tile");
    if (!t) return;
    e.preventDefault();
    const [x, y] = at(t);
    move(t, clamp(x + step[0]), clamp(y + step[1]));
    t.focus();
  });
  form.addEventListener("submit", () => {
    one("input[name=moved]", form).value = [...moved].join(" ");
    one("input[name=plan]", form).value = all(".tile", plan()).map((t) => [t.dataset.id, ...at(t)].join(" ")).join("\n");
  });
})();
