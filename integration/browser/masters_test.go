package browser

import (
	"fmt"
	"strings"
	"time"

	"github.com/chromedp/chromedp/kb"
)

// promoteByHand drags a channel onto another version, says no, then yes; takes it back; and does the same with the keyboard.
func (s *school) promoteByHand() {
	s.resize(1280) // both ends of what is dragged are to be seen at once
	s.visit("/masters/" + masters)
	s.choose("#promote-2", "stable") // without scripts the form leads to a page that asks the same
	s.leaves("const f = document.querySelector(`#v2 form[action$='/promote']`); HTMLFormElement.prototype.submit.call(f);")
	s.must("S104", "CDI", "stable at v2")
	s.judge()
	s.shoot("move")
	s.goes("main form a.button")
	chip, version := `.side .chip[data-channel="stable"]`, "#v2 .card h3"
	drag := func() {
		s.drag(s.middle(chip), s.middle(version))
		s.until(`document.querySelector("#drop").open`)
		if says := eval[string](s.window, `document.querySelector("#drop").innerText`); !strings.Contains(says, "Point stable at v2?") {
			s.t.Errorf("the question is %q", says)
		}
	}
	eval[bool](s.window, "window.sat = true")
	drag()
	s.judge()
	s.click("#drop [data-close]")
	s.until(`!document.querySelector("#drop").open && window.sat`)
	drag()
	s.goes("#promote button")
	s.must("v1 → v2", "stable now points at v2")
	// Back, asked in a dialog that the keyboard opens and leaves
	eval[bool](s.window, `document.querySelector("[data-dialog='rollback-stable']").focus(), true`)
	s.keys(" ")
	s.until(`document.querySelector("#rollback-stable").open`)
	s.keys(kb.Escape)
	s.until(`!document.querySelector("#rollback-stable").open`)
	s.keys(kb.Enter)
	s.until(`document.querySelector("#rollback-stable").open`)
	s.must("goes from v2 to v1", "S104", "CDI")
	s.goes("#rollback-stable-go")
	s.must("stable is back at v1")
	// The keyboard alone
	s.choose("#promote-2", "stable")
	eval[bool](s.window, `document.querySelector("#v2 form[action$='/promote'] button").focus(), true`)
	s.keys(kb.Enter)
	s.until(`document.querySelector("#drop").open && document.querySelector("#drop").contains(document.activeElement)`)
	eval[bool](s.window, "window.stays = true")
	s.keys(kb.Tab, kb.Enter)
	s.until(`!window.stays && document.readyState === "complete"`)
	s.must("stable now points at v2")
}

// captureAndForget captures a computer from its page; the version that comes of it is forgotten again, and what is in use
// is not.
func (s *school) captureAndForget() {
	s.visit("/computers/S104-02")
	s.click("main .head .others summary")
	s.goes("main .head a[href^='/capture']")
	if who := eval[string](s.window, `document.querySelector("[name=computer]").value`); who != "S104-02" {
		s.t.Errorf("the computer to capture is %q", who)
	}
	s.fill(map[string]string{"master": masters, "note": "avec <b>GIMP</b>"})
	s.tick("[name=as_is]")
	s.goes("form[action='/capture'] button.main")
	s.until(`location.pathname.startsWith("/jobs/")`)
	s.until(`document.querySelector(".job-list h2").innerText === "Report"`)
	if done := eval[int](s.window, `document.querySelectorAll("#rows .s-done").length`); done == 0 {
		s.t.Fatalf("the capture ended badly: %s", eval[string](s.window, "document.body.innerText"))
	}
	s.visit("/masters/" + masters)
	s.until(`!!document.querySelector("#v3")`)
	s.must("avec <b>GIMP</b>")
	s.click("[data-dialog='forget-3']")
	s.until(`document.querySelector("#forget-3").open`)
	s.until(`document.querySelector("#forget-3 .more-said").innerText !== "…"`) // else it is asked of a version that is gone
	asked := eval[string](s.window, `document.querySelector("#forget-3").innerText`)
	if !strings.Contains(asked, masters+"@3") || !strings.Contains(asked, "frees up to") || !strings.Contains(asked, "B") {
		s.t.Errorf("before a version is forgotten it is said: %q", asked)
	}
	s.goes("#forget-3-go")
	s.must("is forgotten; the next clean-up frees up to")
	if eval[bool](s.window, `!!document.querySelector("#v3")`) {
		s.t.Error("a version that was forgotten is still shown")
	}
	if eval[bool](s.window, `!!document.querySelector("[data-dialog='forget-2']")`) {
		s.t.Error("a version that a channel points at is offered to be forgotten")
	}
	s.must("the channel stable points at it")
	_, body := s.fetch("/masters/"+masters+"/forget", "version=2")
	if !strings.Contains(body, "stable") {
		s.t.Errorf("forgetting what is in use does not name who uses it: %.600s", body)
	}
	s.visit("/masters/" + masters)
	if !eval[bool](s.window, `!!document.querySelector("#v2")`) {
		s.t.Error("a version that is in use was forgotten")
	}
}

// schedule makes a schedule for the next minute, and a window that watches the map for its job.
func (s *school) schedule() (watch *window) {
	at := time.Now().Add(time.Minute + 10*time.Second).Truncate(time.Minute) // the next minute, unless that is too near
	s.visit("/schedules/new")
	s.fill(map[string]string{"name": "Inventaire du CDI"})
	s.choose("#f-kind", "inventory")
	s.tick("input[name=rooms][value=CDI]", "input[name=days][value=sat]", "input[name=days][value=sun]")
	for name, value := range map[string]string{"at": at.Format("15:04"), "until": at.Add(2 * 3600e9).Format("15:04")} {
		eval[string](s.window, fmt.Sprintf("document.querySelector(`[name=%s]`).value = `%s`", name, value))
	}
	s.judge()
	s.goes("main form button.main")
	s.must("Inventaire du CDI", "from "+at.Format("15:04"))
	watch = s.joined("reader", "irma")
	eval[int](watch, `setInterval(() => { window.seen = window.seen || !!document.querySelector(".tile[data-name^=CDI] .face.s-running"); }, 200)`)
	return watch
}

// fired tells whether the schedule's job has been seen on the map, and is in the list.
func (s *school) fired(watch *window) {
	watch.until("window.seen === true")
	watch.visit("/jobs")
	watch.until(`[...document.querySelectorAll(".job-card")].some((e) => e.innerText.includes("Inventory"))`)
	watch.goes(".job-card[href='" + eval[string](watch, `[...document.querySelectorAll(".job-card")].find((e) => e.innerText.includes("Inventory")).getAttribute("href")`) + "']")
	watch.must("CDI-01", "CDI-02")
	watch.until(`document.querySelector(".job-list h2").innerText === "Report"`)
	watch.quiet()
}
