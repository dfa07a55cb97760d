package agentapi_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ardoise/ardoise/console/agentapi"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/storetest"
)

// privileged lists every route that is for enrolled computers.
func privileged(task, hash string, id chunk.ID) map[string]any {
	return map[string]any{
		"GET " + job.PathTask:                         nil,
		"POST " + job.PathReport:                      job.Report{Task: task, State: job.TaskDone},
		"GET " + job.PathManifest + hash:              nil,
		"GET " + job.PathNames + hash:                 nil,
		"POST " + job.PathChunks:                      pack(id),
		"POST " + job.PathCapture + task + "/missing": pack(id),
		"POST " + job.PathCapture + task + "/frames":  []byte{},
		"POST " + job.PathCapture + task + "/publish": []byte{},
	}
}

func TestWhoIsNotEnrolledGetsNothing(t *testing.T) {
	s := newSite(t)
	ids, frames := storetest.Frames(t, 3, 1)
	v := s.published("m", frames)
	victim := s.agent()
	victim.enrol(hello(1), "victim")
	ordered := s.deploy(v, "victim")
	task := victim.task()

	claim, fresh, stranger := s.agent(), s.agent(), s.agent()
	if w := must[job.Welcome](claim, http.MethodPost, job.PathHello, hello(1)); w.State != job.StateAlarm || w.ID != "" || w.Code != "" {
		t.Errorf("right MAC, UUID and serial with another key = %+v, want an alarm and nothing else", w)
	}
	h := hello(1)
	h.NewKey = true
	if w := must[job.Welcome](fresh, http.MethodPost, job.PathHello, h); w.State != job.StateAlarm {
		t.Errorf("the same with a key made at this boot = %+v, want an alarm, since the victim's key is stored", w)
	}
	for name, a := range map[string]*agent{"a claimant": claim, "one with a new key": fresh, "a stranger": stranger,
		"one without a key": s.keyless()} {
		for route, body := range privileged(task.ID, v.Hash.String(), ids[0]) {
			method, path, _ := strings.Cut(route, " ")
			if status, p := a.problem(method, path, body); status != http.StatusForbidden || p.Code != "unknown-computer" {
				t.Errorf("%s: %s = %d %+v, want 403 unknown-computer", name, route, status, p)
			}
		}
	}
	c, err := s.fleet.Find("victim")
	if err != nil || c.Shown() != fleet.Alarm || c.Key != victim.key || c.Claim.Key != claim.key {
		t.Errorf("the victim is %s with key %s, %v; want alarm and its own key", c.Shown(), c.Key, err)
	}
	if again := victim.task(); again.ID != ordered.Tasks[0].ID {
		t.Errorf("the victim itself gets task %s, want %s", again.ID, ordered.Tasks[0].ID)
	}
}

func TestARefusedComputerGetsNothing(t *testing.T) {
	s := newSite(t)
	a := s.agent()
	w := must[job.Welcome](a, http.MethodPost, job.PathHello, hello(1))
	_, err := s.fleet.Refuse(t.Context(), w.Code, "marie")
	check(t, err)
	if w = must[job.Welcome](a, http.MethodPost, job.PathHello, hello(1)); w.State != job.StateRefused || w.Reason == "" {
		t.Errorf("hello = %+v, want refused with a reason", w)
	}
	if status, p := a.problem(http.MethodGet, job.PathTask, nil); status != http.StatusForbidden {
		t.Errorf("task = %d %+v, want 403", status, p)
	}
}

// Another enrolled computer, with a task of its own, must not reach into the first one's.
func TestATaskGivesOnlyWhatItNames(t *testing.T) {
	s := newSite(t)
	ids, frames := storetest.Frames(t, 6, 2)
	mine, other := s.published("mine", frames[:3]), s.published("other", frames[3:])
	a, b := s.agent(), s.agent()
	a.enrol(hello(1), "a")
	b.enrol(hello(2), "b")
	idle := s.agent()
	idle.enrol(hello(3), "idle")
	s.deploy(mine, "a")
	a.task()
	s.capture("b", "third")
	theirs := b.task()

	tests := map[string]struct {
		from   *agent
		route  string
		body   any
		status int
		code   string
	}{
		"a chunk of another master":               {a, "POST " + job.PathChunks, pack(ids[3]), 403, "not-yours"},
		"one such chunk among its own":            {a, "POST " + job.PathChunks, pack(ids[0], ids[4], ids[1]), 403, "not-yours"},
		"another master's manifest":               {a, "GET " + job.PathManifest + other.Hash.String(), nil, 403, "not-yours"},
		"another master's names":                  {a, "GET " + job.PathNames + other.Hash.String(), nil, 403, "not-yours"},
		"a manifest that is no hash":              {a, "GET " + job.PathManifest + "..%2f..%2fetc", nil, 403, "not-yours"},
		"a report on another's task":              {a, "POST " + job.PathReport, job.Report{Task: theirs.ID, State: job.TaskDone}, 403, "not-yours"},
		"a report on no task":                     {a, "POST " + job.PathReport, job.Report{Task: "99-1", State: job.TaskDone}, 403, "not-yours"},
		"another's capture":                       {a, "POST " + job.PathCapture + theirs.ID + "/missing", pack(ids[0]), 403, "not-yours"},
		"frames for another's capture":            {a, "POST " + job.PathCapture + theirs.ID + "/frames", packed(frames[0]), 403, "not-yours"},
		"publishing another's capture":            {a, "POST " + job.PathCapture + theirs.ID + "/publish", []byte{}, 403, "not-yours"},
		"a capture route for a deployment":        {a, "POST " + job.PathCapture + "1-1/missing", pack(ids[0]), 409, "no-task"},
		"chunks for a capture":                    {b, "POST " + job.PathChunks, pack(ids[0]), 403, "not-yours"},
		"chunks without a task":                   {idle, "POST " + job.PathChunks, pack(ids[0]), 409, "no-task"},
		"a manifest without a task":               {idle, "GET " + job.PathManifest + mine.Hash.String(), nil, 409, "no-task"},
		"no ids":                                  {a, "POST " + job.PathChunks, []byte{}, 400, "bad-request"},
		"half an id":                              {a, "POST " + job.PathChunks, pack(ids[0])[:31], 400, "bad-request"},
		"more ids than allowed":                   {a, "POST " + job.PathChunks, bytes.Repeat(pack(ids[0]), job.MaxIDs+1), 413, "too-large"},
		"frames that are none":                    {b, "POST " + job.PathCapture + theirs.ID + "/frames", bytes.Repeat([]byte("x"), 500), 400, "damaged"},
		"a frame cut short":                       {b, "POST " + job.PathCapture + theirs.ID + "/frames", packed(frames[0])[:60], 400, "bad-request"},
		"a frame whose content is not its id's":   {b, "POST " + job.PathCapture + theirs.ID + "/frames", packed(swapped(frames[0], frames[1])), 400, "damaged"},
		"a report that is no JSON":                {a, "POST " + job.PathReport, []byte("[]]"), 400, "bad-request"},
		"a report of a megabyte":                  {a, "POST " + job.PathReport, bytes.Repeat([]byte(" "), 1<<20), 413, "too-large"},
		"a report in a state that does not exist": {a, "POST " + job.PathReport, job.Report{Task: "1-1", State: "waiting"}, 400, "bad-order"},
		"a route that does not exist":             {a, "GET /agent/v1/keys", nil, 404, "no-route"},
		"another method":                          {a, "DELETE " + job.PathTask, nil, 404, "no-route"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			method, path, _ := strings.Cut(tt.route, " ")
			if status, p := tt.from.problem(method, path, tt.body); status != tt.status || p.Code != tt.code {
				t.Errorf("%s = %d %+v, want %d %s", tt.route, status, p, tt.status, tt.code)
			}
		})
	}
	if status, _ := a.call(http.MethodPost, job.PathChunks, pack(ids[:3]...)); status != http.StatusOK {
		t.Errorf("its own chunks = %d", status)
	}
}

// swapped is a's content under b's name, with a checksum that is right.
func swapped(a, b chunk.Frame) chunk.Frame {
	a.ID = b.ID
	return a
}

func TestHostileStringsAreBoundedAndPrintable(t *testing.T) {
	s := newSite(t)
	nasty := "<script>alert(1)</script>\x00\x1b[2J\r\n\u202e" + strings.Repeat("A", 4000)
	h := hello(1)
	h.AgentVersion, h.MAC = nasty, nasty
	in := &h.Inventory
	in.Serial, in.Model, in.Manufacturer, in.CPU, in.Firmware, in.TPM, in.BoardSerial = nasty, nasty, nasty, nasty, nasty, nasty, nasty
	in.MemoryBytes, in.Cores = -1, -1
	in.Disks = nil
	for range 500 {
		in.Disks = append(in.Disks, job.Disk{Path: nasty[:100], Size: -5})
	}
	a := s.agent()
	a.enrol(h, "nasty")
	s.stop()
	s.start()
	c, err := s.fleet.Find("nasty")
	check(t, err)
	for name, v := range map[string]string{"serial": c.Inventory.Serial, "model": c.Inventory.Model, "cpu": c.Inventory.CPU,
		"firmware": c.Inventory.Firmware, "disk": c.Inventory.Disks[0].Path} {
		if n := utf8.RuneCountInString(v); n > 255 || strings.ContainsFunc(v, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%s is kept as %d characters %.60q", name, n, v)
		}
	}
	if len(c.Inventory.Disks) > 64 || c.Inventory.MemoryBytes < 0 || c.Inventory.Disks[0].Size < 0 {
		t.Errorf("%d disks, %d bytes of memory, disk of %d are kept", len(c.Inventory.Disks), c.Inventory.MemoryBytes,
			c.Inventory.Disks[0].Size)
	}
	status, _ := a.problem(http.MethodPost, job.PathHello, bytes.Repeat([]byte("a"), 1<<20))
	if status != http.StatusBadRequest && status != http.StatusRequestEntityTooLarge {
		t.Errorf("a hello of a megabyte = %d", status)
	}
}

func TestAFloodOfHellosIsSlowedAndBounded(t *testing.T) {
	s := newSite(t)
	honest := s.agent()
	honest.enrol(hello(1), "honest")
	flood := s.agent()
	slowed := 0
	for range 120 {
		if status, _ := flood.call(http.MethodPost, job.PathHello, hello(2)); status == http.StatusTooManyRequests {
			slowed++
		}
	}
	if slowed == 0 {
		t.Error("120 hellos in a row were all answered")
	}
	if n := len(s.fleet.Computers()); n != 2 {
		t.Errorf("%d computers are known, want 2", n)
	}
}

func TestWhatTheHandshakeRefuses(t *testing.T) {
	s := newSite(t)
	if _, err := tls.Dial("tcp", s.address, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}); err == nil {
		t.Error("TLS 1.2 is spoken")
	}
	// A certificate without its private key proves nothing.
	victim, thief := s.agent(), s.agent()
	stolen := victim.http.Transport.(*http.Transport).TLSClientConfig.Certificates[0]
	own := thief.http.Transport.(*http.Transport).TLSClientConfig.Certificates[0]
	forged := s.keyless(tls.Certificate{Certificate: stolen.Certificate, PrivateKey: own.PrivateKey})
	answer, err := forged.http.Get("https://" + s.address + job.PathTrust)
	if err == nil {
		answer.Body.Close()
		t.Errorf("a stolen certificate gets %d", answer.StatusCode)
	}
}

// Who opens one silent connection after the other displaces its own oldest, and keeps nobody out.
func TestConnectionsOfOneAddressAreBounded(t *testing.T) {
	s := newSite(t)
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	for range 1024 + 30 {
		c, err := net.Dial("tcp", s.address)
		check(t, err)
		open = append(open, c)
	}
	for i, c := range open[:30] {
		check(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("connection %d is still open: %v", i, err)
		}
	}
	if status, _ := s.agent().call(http.MethodGet, job.PathTrust, nil); status != http.StatusOK {
		t.Errorf("a new computer gets %d", status)
	}
	if f := s.server.Figures(); f.Turned != 31 {
		t.Errorf("%d connections gave way, want 31", f.Turned)
	}
}

// A description of a version may take gigabytes of the disk while it comes: one at a time.
func TestACaptureIsPublishedOnceAtATime(t *testing.T) {
	s := newSite(t)
	a := s.agent()
	a.enrol(hello(1), "pc")
	s.capture("pc", "m")
	path := job.PathCapture + a.task().ID + "/publish"
	body, feed := io.Pipe()
	r, err := http.NewRequest(http.MethodPost, "https://"+s.address+path, body)
	check(t, err)
	r.Header.Set("Content-Type", partsType)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if answer, err := a.http.Do(r); err == nil {
			answer.Body.Close()
		}
	}()
	// More than any buffer on the way holds: when the pipe has taken it, the server has begun to read.
	_, err = feed.Write(part(job.PartManifest, make([]byte, 32<<20)))
	check(t, err)
	status, p := 0, job.Problem{}
	for range 100 {
		if status, p = a.problem(http.MethodPost, path, parts([]byte("x"), nil)); status == http.StatusTooManyRequests {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if status != http.StatusTooManyRequests || p.Code != "too-many" {
		t.Errorf("a second publish beside the first = %d %+v, want 429 too-many", status, p)
	}
	check(t, feed.CloseWithError(errors.New("cut")))
	<-ended
	for range 100 {
		if status, p = a.problem(http.MethodPost, path, parts([]byte("x"), nil)); status == http.StatusBadRequest {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if status != http.StatusBadRequest || p.Code != "damaged" {
		t.Errorf("once the first is gone = %d %+v, want 400 damaged", status, p)
	}
}

func TestRefusalsDoNotFillTheLog(t *testing.T) {
	var log bytes.Buffer
	s := &agentapi.Server{Log: slog.New(slog.NewTextHandler(&log, nil))}
	h := s.Handler()
	for range 300 {
		r := httptest.NewRequest(http.MethodGet, "/"+strings.Repeat("x", 8000), nil)
		r.RemoteAddr = "10.0.0.9:1"
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	if log.Len() == 0 || log.Len() > 2000 {
		t.Errorf("300 refused requests of one address leave %d bytes in the log", log.Len())
	}
}
