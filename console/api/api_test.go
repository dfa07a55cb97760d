package api_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/sqlite"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters"
)

// site is a fleet and its masters behind a real socket.
type site struct {
	dir    string
	fleet  *fleet.Fleet
	client *api.Client

	library *masters.Library
	woken   []string
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newSite(t *testing.T) *site {
	t.Helper()
	// The path of a test's own folder may be too long for a socket.
	dir, err := os.MkdirTemp("", "ardoise")
	check(t, err)
	s := &site{dir: dir}
	t.Cleanup(func() { check(t, os.RemoveAll(dir)) })
	library, err := masters.Open(dir, masters.Options{})
	check(t, err)
	store, err := sqlite.Open(t.Context(), filepath.Join(dir, "ardoise.db"))
	check(t, err)
	s.library = library
	s.fleet, err = fleet.Open(t.Context(), fleet.Options{Store: store, Signer: library.Key(), Wake: func(_ context.Context, macs []string) error {
		s.woken = append(s.woken, macs...)
		return nil
	}})
	check(t, err)
	l, err := api.Listen(dir)
	check(t, err)
	server := api.Server{House: &access.House{Fleet: s.fleet, Masters: library,
		Status: func() access.Status { return access.Status{Data: dir} },
		Doctor: func(context.Context) []access.Check { return []access.Check{{Name: "x", State: access.CheckOK}} }}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		check(t, <-done)
		check(t, errors.Join(store.Close(), library.Close()))
	})
	s.client, err = api.Dial(t.Context(), dir)
	check(t, err)
	return s
}

// pending introduces a computer and returns its code.
func (s *site) pending(t *testing.T, key string, mac string) string {
	t.Helper()
	w, err := s.fleet.Hello(t.Context(), fleet.Introduction{Key: key, Address: "10.0.0.5", Hello: job.Hello{MAC: mac,
		Inventory: job.Inventory{Disks: []job.Disk{{Path: "/dev/sda", Size: 1 << 30, SectorSize: 512, Bus: "sata"}}}}})
	check(t, err)
	return w.Code
}

func wantCode(t *testing.T, what string, err error, status int, code string) {
	t.Helper()
	var e *access.Error
	if !errors.As(err, &e) || e.Code != code || e.Status != status {
		t.Errorf("%s: %v, want %d %s", what, err, status, code)
	}
}

func TestOrdersFromApprovalToCancel(t *testing.T) {
	s := newSite(t)
	ctx := t.Context()
	code := s.pending(t, "key-of-pc1", "52:54:00:00:00:01")
	all, err := s.client.Computers(ctx)
	if err != nil || len(all) != 1 || all[0].State != "pending" || all[0].Code != code {
		t.Fatalf("computers = %+v, %v", all, err)
	}
	_, err = s.client.Approve(ctx, access.Approve{Code: "1"})
	wantCode(t, "a wrong code", err, 409, "wrong-code")
	c, err := s.client.Approve(ctx, access.Approve{Code: code, Name: "pc1"})
	if err != nil || c.Name != "pc1" || c.State != "enrolled" || c.Code != "" {
		t.Fatalf("approved %+v, %v", c, err)
	}
	if _, err := s.client.Change(ctx, "pc1", "wake", access.Change{}); err != nil || len(s.woken) != 1 {
		t.Errorf("wake: %v, woke %v", err, s.woken)
	}
	if c, err = s.client.Change(ctx, "pc1", "rename", access.Change{Name: "S104-01"}); err != nil || c.Name != "S104-01" {
		t.Errorf("renamed %+v, %v", c, err)
	}
	order := access.Order{Kind: job.KindCapture, Computers: []string{"S104-01"}, Master: "salle"}
	j, err := s.client.Order(ctx, order)
	if err != nil || j.State != "waiting" || j.OrderedBy != "root" && os.Getuid() == 0 || len(j.Tasks) != 1 {
		t.Fatalf("ordered %+v, %v", j, err)
	}
	p, err := s.client.Plan(ctx, order)
	if err != nil || p.Targets[0].Refusal == nil || p.Targets[0].Refusal.Code != "busy" {
		t.Errorf("a second plan = %+v, %v, want busy", p, err)
	}
	watched := make(chan string, 10)
	go func() {
		defer close(watched)
		for j, err := range s.client.Watch(ctx, j.ID) {
			if err != nil {
				watched <- err.Error()
				return
			}
			watched <- j.State
		}
	}()
	if first := <-watched; first != "waiting" {
		t.Errorf("the watched job is first %s", first)
	}
	if j, err = s.client.Cancel(ctx, j.ID, false); err != nil || j.State != "cancelled" {
		t.Errorf("cancelled %+v, %v", j, err)
	}
	last := ""
	for state := range watched {
		last = state
	}
	if last != "cancelled" {
		t.Errorf("the watched job is last %q", last)
	}
	events, err := s.client.Events(ctx, "S104-01", "")
	if err != nil || len(events) < 4 || events[0].Kind != "cancelled" || events[0].Computer != "S104-01" {
		t.Errorf("events = %+v, %v", events, err)
	}
}

func TestWhatIsRefused(t *testing.T) {
	s := newSite(t)
	ctx := t.Context()
	code := s.pending(t, "key-of-pc1", "52:54:00:00:00:01")
	_, err := s.client.Approve(ctx, access.Approve{Code: code, Name: "pc1"})
	check(t, err)
	deploy := access.Order{Kind: job.KindDeploy, Computers: []string{"pc1"}, Master: "nope"}
	tests := map[string]struct {
		do     func() error
		status int
		code   string
	}{
		"no such computer":             {func() error { _, err := s.client.Computer(ctx, "../../etc"); return err }, 404, "no-computer"},
		"a computer called dots":       {func() error { _, err := s.client.Computer(ctx, ".."); return err }, 404, "no-computer"},
		"no such verb":                 {func() error { _, err := s.client.Change(ctx, "pc1", "explode", access.Change{}); return err }, 404, "no-route"},
		"a name that is none":          {func() error { _, err := s.client.Change(ctx, "pc1", "rename", access.Change{Name: "a b"}); return err }, 400, "bad-name"},
		"no such master":               {func() error { _, err := s.client.Order(ctx, deploy); return err }, 404, "no-master"},
		"a master's name that is none": {func() error { _, err := s.client.Master(ctx, "../x"); return err }, 400, "bad-master"},
		"capturing into no name": {func() error {
			_, err := s.client.Order(ctx, access.Order{Kind: job.KindCapture, Computers: []string{"pc1"}, Master: "a/b"})
			return err
		}, 400, "bad-master"},
		"no such job": {func() error { _, err := s.client.Job(ctx, "77"); return err }, 404, "no-job"},
		"no such kind": {func() error {
			_, err := s.client.Order(ctx, access.Order{Kind: "explode", Computers: []string{"pc1"}})
			return err
		}, 400, "bad-order"},
		"watching no job": {func() error {
			for _, err := range s.client.Watch(ctx, "77") {
				return err
			}
			return nil
		}, 404, "no-job"},
	}
	for name, tt := range tests {
		wantCode(t, name, tt.do(), tt.status, tt.code)
	}
	if jobs, err := s.client.Jobs(ctx); err != nil || len(jobs) != 0 {
		t.Errorf("jobs = %+v, %v", jobs, err)
	}
}

// The socket is its owner's alone: by its mode for everyone, by the kernel's word for who got hold of it all the same.
func TestTheSocketIsItsOwnersAlone(t *testing.T) {
	s := newSite(t)
	path := filepath.Join(s.dir, api.SocketName)
	info, err := os.Stat(path)
	check(t, err)
	if info.Mode().Perm() != 0o600 || info.Mode().Type() != os.ModeSocket {
		t.Errorf("the socket has mode %v, want 0600", info.Mode())
	}
	if os.Getuid() != 0 {
		t.Fatal("this test needs root: it becomes somebody else")
	}
	if out, err := asNobody(path); !errors.Is(err, unix.EACCES) {
		t.Errorf("somebody else connects: %v %s", err, out)
	}
	check(t, os.Chmod(s.dir, 0o755))
	check(t, os.Chmod(path, 0o666))
	if out, err := asNobody(path); err != nil || !strings.Contains(out, "403") || !strings.Contains(out, "not-allowed") {
		t.Errorf("somebody else, let in by a careless chmod, gets %v %s", err, out)
	}
}

// asNobody speaks to a socket from a thread that has become another user. The thread is never given back.
func asNobody(path string) (string, error) {
	type result struct {
		answer string
		err    error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread() // and not unlocked: the thread ends with this goroutine
		const nobody = 65534
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); e != 0 {
			done <- result{"", e}
			return
		}
		answer, err := exchange(path)
		done <- result{answer, err}
	}()
	r := <-done
	return r.answer, r.err
}

func exchange(path string) (string, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return "", err
	}
	if _, err := unix.Write(fd, []byte("GET /api/v1/computers HTTP/1.0\r\n\r\n")); err != nil {
		return "", err
	}
	answer := make([]byte, 1000)
	n, err := unix.Read(fd, answer)
	return string(answer[:max(n, 0)]), err
}

func TestADeadDaemonsSocketIsReplaced(t *testing.T) {
	dir, err := os.MkdirTemp("", "ardoise")
	check(t, err)
	defer os.RemoveAll(dir)
	var silent *api.NotRunningError
	if _, err := api.Dial(t.Context(), dir); !errors.As(err, &silent) {
		t.Errorf("without a socket Dial = %v", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, api.SocketName), Net: "unix"})
	check(t, err)
	l.SetUnlinkOnClose(false)
	check(t, l.Close())
	if _, err := api.Dial(t.Context(), dir); !errors.As(err, &silent) {
		t.Errorf("at a dead daemon's socket Dial = %v", err)
	}
	again, err := api.Listen(dir)
	check(t, err)
	check(t, again.Close())
	var long *api.PathTooLongError
	if _, err := api.Listen(filepath.Join(dir, strings.Repeat("d", 120))); !errors.As(err, &long) {
		t.Errorf("Listen with a long path = %v", err)
	}
}

func TestWatchersDoNotHoldUpTheEnd(t *testing.T) {
	start := time.Now()
	t.Run("watch", func(t *testing.T) {
		s := newSite(t)
		code := s.pending(t, "key-of-pc1", "52:54:00:00:00:01")
		_, err := s.client.Approve(t.Context(), access.Approve{Code: code, Name: "pc1"})
		check(t, err)
		j, err := s.client.Order(t.Context(), access.Order{Kind: job.KindCapture, Computers: []string{"pc1"}, Master: "m"})
		check(t, err)
		seen := make(chan struct{})
		go func() {
			for range s.client.Watch(context.Background(), j.ID) {
				close(seen)
			}
		}()
		<-seen
	})
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("it took %v", d)
	}
}
