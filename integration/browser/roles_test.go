package browser

import (
	"strings"
)

// refused fails when one of these addresses lets the window in, or takes what it posts.
func (w *window) refused(who string, addresses map[string]string) {
	w.t.Helper()
	for path, form := range addresses {
		if status, body := w.fetch(path, form); status != 403 && status != 404 {
			w.t.Errorf("%s: %s %q is answered with %d: %.200s", who, path, form, status, body)
		}
	}
}

// teacher sees one room, resets it, and gets nothing else.
func (s *school) teacher(w *window) {
	s.visit("/") // and stays there: a page that nothing happens on keeps its stream, or complains
	w.must("S104")
	w.judge()
	w.shoot("map-teacher")
	if w.says("CDI") {
		s.t.Error("a teacher sees a room that is not his")
	}
	w.visit("/rooms/S104")
	w.follow("a[href='/order?kind=reset&room=S104']")
	w.judge()
	w.shoot("order-reset")
	w.fill(map[string]string{"typed": "Resets 8 computers in S104"}) // what was not finished as well
	w.press("#go")
	w.until(`location.pathname.startsWith("/jobs/")`)
	w.until(`document.querySelector(".job-list h2").innerText === "Report"`)
	if done := eval[int](w, `document.querySelectorAll("#rows .job-row.s-done").length`); done != room {
		s.t.Errorf("%d computers are reset", done)
	}
	w.visit("/computers/S104-01")
	w.refused("a teacher", map[string]string{"/rooms/CDI": "", "/computers/CDI-01": "", "/masters": "", "/people": "", "/settings": "", "/audit": "",
		"/enrol": "", "/capture": "", "/schedules": "", "/health": "", "/labels?room=S104": "", "/order?kind=reset&room=CDI": "",
		"/rooms/S104": "title=x", "/order": "kind=deploy&room=S104&master=Bureautique@1&typed=Wipes 8 computers in S104",
		"/computers/S104-01/rename": "name=x", "/masters/Bureautique/promote": "version=2&channel=stable",
		"/events?page=room&room=CDI": "", "/api/v1/people": "", "/api/v1/computers/CDI-01": ""})
	w.quiet()
}

// reader sees all and changes nothing.
func (s *school) reader(w *window) {
	for _, path := range []string{"/", "/rooms/S104", "/rooms/CDI", "/jobs", "/computers", "/computers/S104-06", "/masters", "/masters/" + masters, "/requests", "/health"} {
		w.visit(path)
		if forms := eval[[]string](w, `[...document.querySelectorAll("main form[method=post] :is(button, input:not([type=hidden]), select), main a[href^='/order']")].map((f) => f.outerHTML.slice(0, 200))`); len(forms) > 0 {
			s.t.Errorf("a reader can change something on %s: %s", path, strings.Join(forms, "\n"))
		}
	}
	w.visit("/")
	w.must("S104", "CDI")
	w.judge()
	w.refused("a reader", map[string]string{"/order": "kind=reset&room=S104&typed=Resets 8 computers in S104", "/rooms/S104": "title=x", "/new-room": "name=X1",
		"/computers/S104-01/wake": "x=1", "/masters/Bureautique/rollback": "channel=stable", "/enrol": "one=123456&code=123456", "/people": "",
		"/settings": "", "/audit": "", "/requests/new": "room=S104&text=x"})
	w.quiet()
}

// pages looks at all that no walk has opened.
func (s *school) pages() {
	for _, p := range [][2]string{{"/", "map"}, {"/rooms/S104", "room"}, {"/computers", "computers"}, {"/computers/S104-06", "computer"}, {"/computers/CDI-02", "computer-hostile"},
		{"/computers/S104-01/do/verify", "do-verify"}, {"/computers/S104-01/do/wipe", "do-wipe"}, {"/import", "import"}, {"/jobs", "jobs"},
		{"/masters/" + masters + "/compare?from=1&to=2", "compare"}, {"/capture", "capture"}, {"/requests/new?room=S104", "request-new"}, {"/schedules", "schedules"},
		{"/schedules/new", "schedule"}, {"/health", "health"}, {"/people", "people"}, {"/audit", "audit"}, {"/settings", "settings"},
		{"/settings/scripts/new", "script"}, {"/account", "account"}, {"/order?kind=other&room=S104", "order-kind"}, {"/order?kind=wipe&room=S104", "order-wipe"}} {
		s.look(p[0], p[1])
		if title := eval[string](s.window, "document.title"); title == "owned" {
			s.t.Errorf("%s runs what a computer says that it is", p[0])
		}
	}
	s.asksSchedule()
	s.visit("/computers/CDI-02")
	s.must("<script>")
	s.visit("/computers")
	if broken := eval[[]string](s.window, `[...document.querySelectorAll("#rows .row-pick, #rows .whole")].filter((e) => getComputedStyle(e).display !== "table-cell" || getComputedStyle(e).borderLeftWidth !== "0px" ||
		[...e.querySelectorAll("bdi")].some((b) => b.getClientRects().length > 1)).map((e) => e.outerHTML)`); len(broken) > 0 {
		s.t.Errorf("in the list of computers, boxes are no cells, or a room or a version is broken in two: %s", broken[0])
	}
	// A page that is not there, as a page
	s.refusals = append(s.refusals, "/rooms/nowhere")
	s.look("/rooms/nowhere", "lost")
}

// asksSchedule begins a schedule that erases: it is not kept before its sentence is typed.
func (s *school) asksSchedule() {
	s.visit("/schedules/new?room=S104")
	s.fill(map[string]string{"name": "Tout refaire", "master": masters + "@stable"})
	s.choose("#f-kind", "deploy")
	s.goes("main form button.main")
	s.must("Tout refaire", "each weekday night", masters+"@")
	s.judge()
	s.shoot("schedule-plan")
	if !eval[bool](s.window, `document.querySelector("#go").disabled`) {
		s.t.Error("a schedule that erases is kept without a sentence")
	}
	s.goes("button[name=edit]")
	if at := eval[string](s.window, `document.querySelector("[name=master]").value`); at != masters+"@stable" {
		s.t.Errorf("back at the form, the master is %q", at)
	}
}

// leave ends the session: what is asked for then leads to the login, and back.
func (s *school) leave() {
	s.visit("/")
	s.until(`!!document.querySelector("#pulse:not(.lost)")`)
	s.press("form[action='/logout'] button")
	s.until(`location.pathname === "/login"`)
	s.visit("/rooms/S104")
	s.until(`location.pathname === "/login" && location.search.includes("next=%2Frooms%2FS104")`)
	s.judge()
	s.shoot("login")
	s.fill(map[string]string{"login": "marie", "password": password})
	s.press("form[action='/login'] button")
	s.until(`location.pathname === "/rooms/S104"`)
}
