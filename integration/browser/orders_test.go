package browser

import (
	"bytes"
	"strings"

	"github.com/chromedp/chromedp"
)

// sentence types what the page asks to be typed.
func (w *window) sentence() {
	w.t.Helper()
	w.retype("#f-typed", eval[string](w, `document.querySelector("#f-typed").dataset.typed`))
}

// together deploys to a room in one session, and looks at the pages of the job and of a computer while it goes on.
func (s *school) together() {
	s.visit("/order?kind=deploy&room=S104&master=" + masters + "@2")
	s.sentence()
	s.until(`!document.querySelector("#go").disabled`)
	s.goes("#go")
	s.until(`location.pathname.startsWith("/jobs/")`)
	job := eval[string](s.window, "location.pathname")
	top := eval[float64](s.window, listTop)
	if !eval[bool](s.window, `!!document.querySelector(".curve-soon")`) {
		s.t.Error("the page does not say that a curve will come")
	}
	s.until(`!!document.querySelector(".curve-box svg") && !!document.querySelector(".lag li")`)
	if shift := eval[float64](s.window, shifted); shift > 0.005 {
		s.t.Errorf("the page of a job shifted by %.4f until its curve was there", shift)
	}
	if now := eval[float64](s.window, listTop); now != top {
		s.t.Errorf("the curve that has come pushed the list of computers from %.1f to %.1f", top, now)
	}
	if lags := eval[string](s.window, `document.querySelector(".lag").innerText`); !strings.Contains(lags, "S104-0") || len(lags) < 40 {
		s.t.Errorf("who lags, and why: %q", lags)
	}
	s.fits()
	s.visit("/computers/S104-03")
	eval[bool](s.window, "window.sat = true")
	s.until(`parseInt(document.querySelector("#computer-now b")?.innerText) > 20`)
	s.until(`parseInt(document.querySelector("#computer-now b")?.innerText) > 50`)
	s.must("MB/s", masters)
	if !eval[bool](s.window, "window.sat === true") {
		s.t.Error("the page of a computer was loaded again while it worked")
	}
	s.judge()
	s.visit(job)
	s.until(`document.querySelector(".job-list h2").innerText === "Report"`)
	s.judge()
	s.legible()
}

// listTop is where the list of computers begins on the page of a job.
const listTop = `document.querySelector(".job-list").getBoundingClientRect().top + scrollY`

// shifted is by how much the page has moved under the reader's eyes since it was loaded.
const shifted = `new Promise((r) => { let sum = 0; new PerformanceObserver((l) => { l.getEntries().forEach((e) => { if (!e.hadRecentInput) sum += e.value; }); })
	.observe({ type: "layout-shift", buffered: true }); setTimeout(() => r(sum), 200); })`

// legible fails when what the axes of a curve say is too small to be read on a phone, or does not fit.
func (w *window) legible() {
	w.t.Helper()
	w.resize(360)
	said := eval[[]string](w, `[...document.querySelectorAll(".curve-plot span, .curve-box .key, .curve-says")].filter((e) => parseFloat(getComputedStyle(e).fontSize) < 11 ||
		e.getBoundingClientRect().right > innerWidth || e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0).map((e) => e.innerText + " at " + getComputedStyle(e).fontSize)`)
	labels := eval[[]int](w, `[document.querySelectorAll(".curve-plot span").length, document.querySelectorAll(".curve-box svg text").length]`)
	if len(said) > 0 || labels[0] != 6 || labels[1] != 0 || eval[bool](w, `document.documentElement.scrollWidth > innerWidth`) {
		w.t.Errorf("on a phone the curve has %d labels, %d that shrink with it; too small or too wide: %q", labels[0], labels[1], said)
	}
	w.resize(1280)
}

// printed is what a printer gets of the page.
func (w *window) printed() []byte {
	w.t.Helper()
	out, err := chromedp.Run(w.ctx, chromedp.PrintToPDF())
	check(w.t, err)
	if !bytes.HasPrefix(out, []byte("%PDF-")) || len(out) < 4000 {
		w.t.Errorf("%d bytes are printed of %s", len(out), eval[string](w, "location.pathname"))
	}
	return out
}

// certificate wipes a computer, whose name has to be typed, and prints what is certified of it.
func (s *school) certificate() {
	s.visit("/computers/CDI-01/do/wipe")
	s.sentence()
	s.until(`!document.querySelector("#go").disabled`)
	s.goes("#go")
	s.until(`location.pathname.startsWith("/jobs/")`)
	s.until(`document.querySelector(".job-list h2").innerText === "Report"`)
	s.goes("#rows a[href^='/certificates/']")
	s.must("CDI-01", "NVMe Sanitize, block erase", "marie")
	s.printed()
	s.judge()
	s.shoot("certificate")
	s.look("/labels?room=S104", "labels")
	if n := eval[int](s.window, `document.querySelectorAll(".label-card svg.qr").length`); n != room {
		s.t.Errorf("the sheet has %d labels", n)
	}
	s.printed()
}

// instead has two people order against each other: the second sees the first's job, is asked, and takes its place.
func (s *school) instead(karim *window) {
	order := "/order?kind=reset&room=S104"
	s.visit(order)
	s.later()
	s.sentence()
	s.goes("#go")
	s.until(`location.pathname.startsWith("/jobs/")`)
	first := eval[string](s.window, "location.pathname")

	karim.visit(order)
	karim.later()
	karim.sentence()
	karim.refusals = append(karim.refusals, "/order")
	karim.goes("#go")
	karim.must("Another order waits already", "ordered by marie", "S104-03")
	if !eval[bool](karim, `!!document.querySelector(".conflict a[href='`+first+`']") && document.querySelector(".conflict fieldset").classList.contains("is-bad")`) {
		s.t.Error("the second does not see the first's job, or is not asked")
	}
	karim.judge()
	karim.shoot("order-conflict")
	if typed := eval[string](karim, `document.querySelector("#f-typed").value`); !strings.HasPrefix(typed, "Resets 8") {
		s.t.Errorf("the sentence that was typed is lost: %q", typed)
	}
	karim.tick("input[name=instead][value='1']")
	karim.goes("#go")
	karim.until(`location.pathname.startsWith("/jobs/")`)
	second := eval[string](karim, "location.pathname")
	if first == second {
		s.t.Error("there is one job of two people")
	}
	s.until(`document.querySelector(".job-list h2").innerText === "Report" && document.querySelectorAll("#rows .s-cancelled").length >= 8`)
	karim.click("[data-dialog=cancel]")
	karim.until(`document.querySelector("#cancel").open`)
	karim.goes("#cancel button.danger")
	karim.until(`document.querySelectorAll("#rows .s-cancelled").length >= 8`)
}
