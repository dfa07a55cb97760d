package browser

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// steady is what a page measures of itself: shifts under the reader's eyes, bytes, and whether it is wider than the screen.
const steady = `(async () => {
	let shift = 0;
	const moved = [], box = (r) => [r.x, r.y, r.width, r.height].map(Math.round).join(" ");
	new PerformanceObserver((l) => l.getEntries().filter((e) => !e.hadRecentInput).forEach((e) => {
		shift += e.value;
		moved.push(e.value.toFixed(4) + " at " + Math.round(e.startTime) + " ms: " + e.sources.map((s) =>
			(s.node?.outerHTML ?? s.node?.textContent ?? "gone").slice(0, 120) + " from " + box(s.previousRect) + " to " + box(s.currentRect)).join("; "));
	})).observe({ type: "layout-shift", buffered: true });
	await new Promise((r) => setTimeout(r, 400));
	const all = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
	return { shift, moved, bytes: all.reduce((n, e) => n + e.transferSize, 0), wide: document.documentElement.scrollWidth > innerWidth,
		quoted: [...document.querySelectorAll("*")].flatMap((e) => [...e.attributes]).filter((a) => a.name.startsWith("data-") && /^".*"$/.test(a.value)).map((a) => a.name),
		styled: document.documentElement.innerHTML.includes(" style="),
		raw: [...document.body.innerText.matchAll(/\b(?:nav|app|state|order|plan|job|kind|step|verb|role|error|map|room|computer|master|people|policy|lag|session)\.[a-z]+(?:\.[a-z]+)*\b/g)].map((m) => m[0]),
		confirm: confirmed(document.querySelector("#go")),
		unnamed: [...document.querySelectorAll("a,button,input:not([type=hidden]),select,textarea")].filter((e) => e.checkVisibility() &&
			!(e.innerText || e.ariaLabel || e.title || e.labels?.length || e.querySelector("img[alt],.hush"))).map((e) => e.outerHTML) };
})()`

// confirmed says what is wrong with the bar that an order is confirmed in: it is seen before anybody scrolls, and covers nothing
// at the page's end.
const confirmed = `window.confirmed = (go) => {
	const bar = go?.closest(".confirm");
	if (!bar) return go ? ["it has no place of its own"] : [];
	const wrong = [], at = scrollY, box = (e) => e.getBoundingClientRect();
	scrollTo({ top: 0, behavior: "instant" });
	for (const e of bar.querySelectorAll("#go,#f-typed")) if (box(e).bottom > innerHeight || box(e).top < 0) wrong.push("#" + e.id + " ends at " + box(e).bottom + " of " + innerHeight);
	scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" });
	for (const e of bar.parentElement.children) if (e !== bar && e.checkVisibility() && box(e).bottom > box(bar).top + 1) wrong.push("at the end it covers " + e.outerHTML.slice(0, 80));
	scrollTo({ top: at, behavior: "instant" });
	return wrong;
}, true`

// axeRun looks at the page with axe in one colour scheme, and names what it finds serious or critical.
const axeRun = `(async () => {
	const root = document.documentElement, before = root.dataset.theme;
	root.dataset.theme = "%s";
	await new Promise((r) => setTimeout(r, 100));
	document.getAnimations().forEach((a) => { try { a.finish(); } catch { /* it has no end */ } });
	const found = await axe.run(document, { resultTypes: ["violations"] });
	if (before) root.dataset.theme = before; else delete root.dataset.theme;
	return found.violations.filter((v) => v.impact === "serious" || v.impact === "critical").map((v) => v.id + " (" + v.impact + "): " +
		v.nodes.slice(0, 4).map((n) => n.target.join(" ") + " " + n.html.slice(0, 160) + " " + (n.any[0] || n.all[0] || n.none[0] || {}).message).join("; "));
})()`

// judge looks at the page that is open: on a screen and on a phone, in both colour schemes. Not while pictures are taken.
func (w *window) judge() {
	w.t.Helper()
	if w.shots != "" {
		return
	}
	w.fits()
	at := eval[string](w, "location.pathname")
	eval[bool](w, w.axe+"\n;!!window.axe")
	for _, theme := range []string{"light", "dark"} {
		found, err := chromedp.Run(w.ctx, chromedp.Evaluate[[]string](fmt.Sprintf(axeRun, theme), chromedp.EvalAwaitPromise))
		check(w.t, err)
		for _, v := range found {
			w.t.Errorf("%s, %s: axe finds %s", at, theme, v)
		}
	}
}

// fits looks whether the page that is open fits screens and phones, stands still, is small and has its texts.
func (w *window) fits() {
	w.t.Helper()
	at := eval[string](w, "location.pathname")
	eval[bool](w, confirmed)
	for _, width := range []int64{0, 1440, 1280, 360} { // first as it was loaded: another width moves what is centred
		if width > 0 {
			w.resize(width)
		}
		m, err := chromedp.Run(w.ctx, chromedp.Evaluate[struct {
			Shift   float64
			Moved   []string // what made the shift
			Bytes   int
			Wide    bool
			Styled  bool
			Raw     []string
			Quoted  []string // texts that the templates took for scripts
			Confirm []string
			Unnamed []string
		}](steady, chromedp.EvalAwaitPromise))
		check(w.t, err)
		if m.Bytes > 150_000 || m.Wide || m.Styled || len(m.Raw) > 0 || len(m.Quoted) > 0 || len(m.Confirm) > 0 || len(m.Unnamed) > 0 || width == 0 && m.Shift > 0.02 {
			w.t.Errorf("%s at %d: %+v", at, width, m)
		}
	}
	w.resize(1280)
}

// look visits a page, judges it and takes its picture.
func (w *window) look(path, name string) {
	w.t.Helper()
	w.resize(1440)
	w.visit(path)
	w.judge()
	w.shoot(name)
}

// table reads a CSV as a spreadsheet does: with commas or with semicolons, and at least two columns.
func table(t *testing.T, text string) [][]string {
	t.Helper()
	text = strings.TrimPrefix(text, "\ufeff")
	in := csv.NewReader(strings.NewReader(text))
	if head, _, _ := strings.Cut(text, "\n"); strings.Contains(head, ";") {
		in.Comma = ';'
	}
	rows, err := in.ReadAll()
	check(t, err)
	if len(rows) == 0 || len(rows[0]) < 2 {
		t.Fatalf("no table: %.200s", text)
	}
	return rows
}

// formulas returns the cells of a CSV that a spreadsheet would calculate.
func formulas(rows [][]string) (bad []string) {
	for _, r := range rows {
		for _, c := range r {
			if c != "" && strings.ContainsRune("=+-@\t\r", rune(c[0])) {
				bad = append(bad, c)
			}
		}
	}
	return bad
}

// decode reads JSON of the API.
func decode[T any](w *window, body string) (out T) {
	w.t.Helper()
	check(w.t, json.Unmarshal([]byte(body), &out))
	return out
}
