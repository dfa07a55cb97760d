package browser

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"rsc.io/qr"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/integration/crowd"
)

// The school: eight computers in a room, one of which has a disk that dies, and two elsewhere, one of which lies about
// what it is.
const (
	room    = 8
	others  = 2
	dying   = 5
	lying   = room + 1
	masters = "Bureautique"
)

// hostile is what a computer says that it is.
const hostile = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>` + "\u202eABC"

// master captures two versions of a small disk.
func master(t *testing.T, d *daemon) {
	t.Helper()
	image := filepath.Join(t.TempDir(), "disk.img")
	check(t, os.WriteFile(image, nil, 0o600))
	check(t, os.Truncate(image, 64<<20))
	table := exec.Command("/usr/sbin/sfdisk", "-q", image)
	table.Stdin = strings.NewReader("label: gpt\nsize=32MiB, type=linux\n")
	if out, err := table.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v: %s", err, out)
	}
	for i, note := range []string{"Windows 11, LibreOffice, Firefox: la rentrée", "GeoGebra 6 pour les mathématiques"} {
		f, err := os.OpenFile(image, os.O_RDWR, 0)
		check(t, err)
		var content bytes.Buffer
		for sum := sha256.Sum256([]byte{byte(i)}); content.Len() < (i+1)<<20; sum = sha256.Sum256(sum[:]) {
			content.Write(sum[:])
		}
		_, err = f.WriteAt(content.Bytes(), 1<<20)
		check(t, err)
		check(t, f.Close())
		d.order(t, "master", "capture", masters, "--disk", image, "--as-is", "--author", "marie", "--note", note)
	}
}

// school is the daemon, its agents and the administrator's window.
type school struct {
	*daemon
	*window
	image string // of the disk that computers capture
	joins bool   // computers take part in multicast sessions
	mu    sync.Mutex
	codes map[int]string // that computers show
}

// agents lets the computers start, and waits until all show their code.
func (s *school) agents(t *testing.T) {
	t.Helper()
	work := 8 * time.Second
	if s.shots != "" {
		work = 40 * time.Second // time for a picture in each colour
	}
	s.play(t, crowd.Options{Size: room + others, Work: work, Pause: 500 * time.Millisecond,
		Fails: func(i int, task job.Task) string {
			if i == dying && task.Kind == job.KindDeploy {
				return "disk-fault"
			}
			return ""
		},
		Dress: func(m *crowd.Member) {
			if m.Index == lying {
				m.Inventory.Model, m.Inventory.Serial, m.Inventory.Manufacturer = hostile, "=HYPERLINK(0)", "@SUM(1)"
			}
		},
		Disk: func(int) string { return s.image }, Join: s.joins})
}

// play lets a crowd start, and waits until all of it show their code.
func (s *school) play(t *testing.T, o crowd.Options) {
	t.Helper()
	s.codes = map[int]string{}
	o.Server, o.CA, o.Seed = s.daemon.agents, s.ca, 7
	o.Hail = func(_ context.Context, m crowd.Member) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.codes[m.Index] = m.Code
		return nil
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- crowd.Run(ctx, o) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil && ctx.Err() == nil {
			t.Errorf("the computers ended with %v", err)
		}
	})
	for range 300 {
		s.mu.Lock()
		n := len(s.codes)
		s.mu.Unlock()
		if n == o.Size {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("not all computers show a code")
}

func TestASchoolInTheConsole(t *testing.T) {
	d := newDaemon(t)
	check(t, os.Mkdir(d.data, 0o700))
	master(t, d)
	d.serve(t)
	s := &school{daemon: d, window: open(t, d)}
	s.firstStart()
	s.agents(t)
	s.enrol()
	s.channel()
	s.deploy()
	s.rollBack()
	s.request(s.invite("technician", "karim", "Karim Technicien"))
	s.teacher(s.invite("teacher", "lea", "Léa Professeur"))
	s.reader(s.invite("reader", "paul", "Paul Lecteur"))
	s.pages()
	s.leave()
	s.quiet()
}

const password = "une craie sur le tableau"

// firstStart makes the first administrator with the link, and the rooms.
func (s *school) firstStart() {
	s.look(s.link, "first")
	s.fill(map[string]string{"login": "marie", "name": "Marie Martin", "password": password, "again": password})
	s.press("form[action^='/first'] button")
	s.until(`location.pathname === "/"`)
	s.must("The console is yours")
	s.shoot("map-empty")
	for _, name := range []string{"S104", "CDI"} {
		s.look("/new-room", "new-room")
		s.fill(map[string]string{"name": name})
		s.press("form[action='/new-room'] button")
		s.until(`location.pathname === "/rooms/` + name + `"`)
	}
}

// enrol approves computers on the room's page, after comparing the code, and the others together.
func (s *school) enrol() {
	s.look("/rooms/S104", "room-enrol")
	typing := "#n-" + s.codes[1]
	eval[bool](s.window, "document.querySelector(`"+typing+"`).focus(), true")
	s.keys("S", "1") // while somebody types, others come and go
	s.order(s.t, "computer", "approve", s.codes[0], "--room", "S104")
	s.until(fmt.Sprintf("!document.querySelector(`#n-%s`) && !!document.querySelector(`.tile`)", s.codes[0]))
	s.keys("0", "4", "-", "0", "2")
	if typed := eval[string](s.window, "document.querySelector(`"+typing+"`).value"); typed != "S104-02" {
		s.t.Errorf("%q is left of a name that was typed while somebody else was approved", typed)
	}
	form := fmt.Sprintf("form.pending:has(input[value='%s'])", s.codes[1])
	s.until(fmt.Sprintf("document.querySelector(`%s .pending-code`)?.innerText === '%s\u00a0%s'", form, s.codes[1][:3], s.codes[1][3:]))
	s.press(form + " button")
	s.until(`location.pathname === "/rooms/S104" && !!document.querySelector(".tile[data-name='S104-02']")`)
	s.look("/enrol", "enrol")
	for i := 2; i < room+others; i++ {
		name, at := fmt.Sprintf("S104-%02d", i+1), s.codes[i]
		if i >= room {
			name = fmt.Sprintf("CDI-%02d", i-room+1)
		} else {
			s.tick("input[name=pick][value='" + at + "']")
		}
		eval[string](s.window, fmt.Sprintf("document.querySelector(`[name='name-%s']`).value = '%s'", at, name))
	}
	s.choose("#f-room", "S104")
	s.press(".bulk button")
	s.must("6 computers")
	for i := room; i < room+others; i++ {
		eval[string](s.window, fmt.Sprintf("document.querySelector(`[name='name-%s']`).value = 'CDI-%02d'", s.codes[i], i-room+1))
		s.choose("#f-room", "CDI")
		s.press("button[name=one][value='" + s.codes[i] + "']")
	}
	for _, names := range [][2]string{{"S104-01", "PROF"}, {"PROF", "S104-01"}} { // it was named by its room
		s.visit("/computers/" + names[0])
		s.retype("#f-name", names[1])
		s.leaves("document.querySelector(`#f-name`).form.requestSubmit();")
		s.must(names[1])
	}
	s.visit("/")
	s.must("S104", "CDI", fmt.Sprint(room), fmt.Sprint(others), "Reset without the network: no, the room has no start menu")
}

// channel makes stable point at the first version, and the room follow it.
func (s *school) channel() {
	s.visit("/masters/" + masters)
	s.choose("#promote-1", "stable")
	s.promote(1)
	s.must("– → v1")
	s.visit("/rooms/S104")
	s.choose("#f-master", "Bureautique@stable")
	s.press("form[action='/rooms/S104'] button.main")
	s.until(`location.pathname === "/rooms/S104"`)
	s.must("Bureautique@stable")
}

// promote points the channel that is chosen below a version at it, and says yes to the question.
func (s *school) promote(version int) {
	s.click(fmt.Sprintf("#v%d form[action$='/promote'] button", version))
	s.until(fmt.Sprintf(`document.querySelector("#drop").open && document.querySelector("#drop-title").innerText.includes("stable at v%d")`, version))
	s.press("#promote button")
}

// deploy orders with three clicks, and watches until the end.
func (s *school) deploy() {
	s.look("/order", "order-who")
	s.visit("/")
	s.follow("a[href='/order?kind=deploy&room=S104']")
	s.judge()
	s.shoot("order-what")
	s.follow("a.choice.is-stable")
	s.judge()
	s.shoot("order-plan")
	if !eval[bool](s.window, `document.querySelector("#go").disabled`) {
		s.t.Error("a room can be deployed without a sentence")
	}
	s.fill(map[string]string{"typed": "Wipes 8 computers in S104"})
	s.until(`!document.querySelector("#go").disabled`)
	s.press("#go")
	s.until(`location.pathname.startsWith("/jobs/")`)
	eval[bool](s.window, `window.sat = true`)
	s.until(`[...document.querySelectorAll("#rows .job-state strong")].some((e) => parseInt(e.innerText) > 10)`)
	s.until(`[...document.querySelectorAll("#rows .job-state strong")].some((e) => parseInt(e.innerText) > 40)`)
	if !eval[bool](s.window, `window.sat === true`) {
		s.t.Error("the page of a job was loaded again while the job ran")
	}
	job := eval[string](s.window, "location.pathname")
	s.visit(job) // the curve that has come meanwhile pushed down what is below
	s.judge()
	s.shoot("job-running")
	if s.shots != "" {
		s.visit("/")
		s.shoot("map-running")
		s.visit("/computers/S104-03")
		s.shoot("computer-running")
		s.visit(job)
	}
	s.until(`document.querySelector(".job-list h2").innerText === "Report"`)
	s.judge()
	s.shoot("job-report")
	failed := eval[string](s.window, `[...document.querySelectorAll("#rows .job-row.s-failed")].map((e) => e.innerText).join("|")`)
	if done := eval[int](s.window, `document.querySelectorAll("#rows .job-row.s-done").length`); done != room-1 || strings.Contains(failed, "|") ||
		!strings.Contains(failed, "S104-06") || !strings.Contains(strings.ToLower(failed), "disk") || len(failed) < 60 {
		s.t.Errorf("%d are done, and of the one that failed the report says %q", done, failed)
	}
	for _, path := range []string{job + "/report.csv", "/computers.csv"} {
		_, text := s.fetch(path, "")
		rows := table(s.t, text)
		if bad := formulas(rows); len(bad) > 0 || len(rows) < room+1 {
			s.t.Errorf("%s has %d lines, and cells that are calculated: %q", path, len(rows), bad)
		}
	}
	s.visit("/jobs")
	s.must("Bureautique")
}

// rollBack promotes the second version, compares, and takes it back.
func (s *school) rollBack() {
	s.look("/masters", "masters")
	s.visit("/masters/" + masters)
	s.choose("#promote-2", "stable")
	s.promote(2)
	s.must("v1 → v2")
	s.judge()
	s.shoot("master")
	s.visit("/rooms/S104")
	s.shoot("room-old")
	s.visit("/masters/" + masters)
	s.press("form[action$='/rollback'] button.danger, form[action$='/rollback'] button.main")
	s.must("v2 → v1")
	if at := eval[string](s.window, `document.querySelector(".channel-row a").innerText`); at != "v1" {
		s.t.Errorf("stable points at %s after it was rolled back", at)
	}
}

// invite makes a person, and opens the window in which the invitation was accepted.
func (s *school) invite(role, login, name string) *window {
	s.look("/people/new", "person-new")
	s.fill(map[string]string{"login": login, "name": name})
	s.tick("input[name=role][value=" + role + "]")
	if role == "teacher" {
		s.tick("input[name=rooms][value=S104]")
	}
	s.press("form[action='/people/new'] button.main")
	s.judge()
	link := eval[string](s.window, `document.querySelector(".secret code").innerText.trim()`)
	x := s.another()
	x.look(link, "invitation")
	x.fill(map[string]string{"password": password + " de " + login, "again": password + " de " + login})
	x.press("form[action^='/invite'] button")
	x.until(`location.pathname === "/"`)
	x.visit(link)
	if eval[bool](x, `!!document.querySelector("[name=password]")`) {
		s.t.Errorf("the invitation of %s opens a second time", login)
	}
	x.refusals = append(x.refusals, "/invite/")
	x.visit("/")
	return x
}

// labelled reads the address out of the QR code of the first label of a sheet.
func (s *school) labelled(path string) string {
	s.look(path, "labels")
	drawn := eval[string](s.window, `document.querySelector("svg.qr path").getAttribute("d")`)
	name := eval[string](s.window, `document.querySelector(".label-name").innerText`)
	_, body := s.fetch("/api/v1/computers/"+url.PathEscape(name)+"/label", "")
	link := s.base + decode[struct{ Path string }](s.window, body).Path
	code, err := qr.Encode(link, qr.Q)
	check(s.t, err)
	dark := map[[2]int]bool{}
	for _, run := range strings.Split(strings.TrimPrefix(drawn, "M"), "M") {
		var x, y, n, back int
		if _, err := fmt.Sscanf(run, "%d %dh%dv1h-%dz", &x, &y, &n, &back); err != nil {
			s.t.Fatalf("%q: %v", run, err)
		}
		for i := range n {
			dark[[2]int{x + i - 4, y - 4}] = true
		}
	}
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) != dark[[2]int{x, y}] {
				s.t.Fatalf("the label of %s does not say %s", name, link)
			}
		}
	}
	return link
}

// request reports with a label and no account; the technician answers and closes.
func (s *school) request(tech *window) {
	link := s.labelled("/labels?room=S104")
	pupil := s.another()
	pupil.look(link, "labelled")
	pupil.fill(map[string]string{"text": "La souris ne marche plus <script>", "name": "Élève de 3e B"})
	pupil.press("form[action^='/l/'] button")
	pupil.must("Thank you")
	pupil.judge()
	pupil.quiet()

	tech.look("/requests", "requests")
	tech.must("La souris ne marche plus <script>")
	tech.follow(".request h2 a")
	tech.judge()
	tech.fill(map[string]string{"text": "Remplacée."})
	tech.press("button[name=do][value=answer]")
	tech.must("Remplacée.")
	tech.shoot("request")
	tech.press("button[name=do][value=close]")
	if tech.visit("/requests"); tech.says("souris") {
		s.t.Error("a request that is closed is still open")
	}
	for _, path := range []string{"/people", "/settings"} {
		if status, _ := tech.fetch(path, ""); status != 403 && status != 404 {
			s.t.Errorf("a technician opens %s: %d", path, status)
		}
	}
	tech.quiet()
}
