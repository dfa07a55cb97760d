package relay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/relay"
	"github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/job"
)

// step is what a server answers to one question.
type step struct {
	work []job.HelperWake
	err  error
}

// room is a helper whose clock and network are the test's.
type room struct {
	relay.Relay
	log bytes.Buffer

	mu     sync.Mutex
	asked  []string // SERVER: what is said to be done
	slept  []time.Duration
	woken  []string
	broken int // so many packets cannot be sent
}

// newRoom makes a helper of two addresses that answer the steps, one after the other; then it ends.
func newRoom(t *testing.T, steps ...step) (*room, context.Context) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	r := &room{}
	r.Version = "test"
	r.Log = slog.New(slog.NewTextHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelInfo}))
	r.Networks = func() ([]netip.Prefix, error) { return []netip.Prefix{netip.MustParsePrefix("10.2.0.0/24")}, nil }
	for _, name := range []string{"a", "b"} {
		r.Servers = append(r.Servers, relay.Server{Address: name, Ask: func(_ context.Context, p job.HelperPoll) (job.HelperWork, error) {
			if len(p.Networks) != 1 || p.Version != "test" {
				t.Errorf("it says %+v", p)
			}
			if len(steps) == 0 {
				stop()
				return job.HelperWork{}, context.Canceled
			}
			r.asked = append(r.asked, strings.TrimSpace(name+" "+strings.Join(p.Done, ",")))
			s := steps[0]
			steps = steps[1:]
			return job.HelperWork{Wake: s.work}, s.err
		}})
	}
	r.Sleep = func(ctx context.Context, d time.Duration) bool {
		r.slept = append(r.slept, d)
		return ctx.Err() == nil
	}
	r.Wake = func(_ context.Context, mac net.HardwareAddr) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.broken > 0 {
			r.broken--
			return errors.New("the cable is out")
		}
		r.woken = append(r.woken, mac.String())
		return nil
	}
	return r, ctx
}

// pcs are errands numbered from first.
func pcs(first, n int) (out []job.HelperWake) {
	for i := first; i < first+n; i++ {
		out = append(out, job.HelperWake{ID: fmt.Sprint(i), MAC: fmt.Sprintf("52:54:00:00:00:%02x", i)})
	}
	return out
}

func want[T comparable](t *testing.T, what string, got []T, want ...T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestWhatIsDoneIsSaidUntilItWasHeard(t *testing.T) {
	away := errors.New("no route to host")
	r, ctx := newRoom(t, step{}, step{work: pcs(1, 3)}, step{err: away}, step{err: away}, step{work: pcs(4, 1)}, step{})
	r.Run(ctx)
	want(t, "asked", r.asked, "a", "a", "a 1,2,3", "b 1,2,3", "a 1,2,3", "a 4")
	slices.Sort(r.woken)
	want(t, "woken", r.woken, "52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03", "52:54:00:00:00:04")
	const rest = 200 * time.Millisecond
	want(t, "slept", r.slept, rest, rest, rest, rest, time.Second, 2*time.Second, rest, rest)
	if log := r.log.String(); strings.Count(log, "the server gives no work") != 1 || !strings.Contains(log, "no route to host") {
		t.Errorf("it says:\n%s", log)
	}
}

// It never gives up, and asks neither too often nor, where its key is not known, often.
func TestItAsksForAsLongAsItTakes(t *testing.T) {
	var steps []step
	for range 300 {
		steps = append(steps, step{err: &client.UnprovenError{Reason: "another one"}})
	}
	steps = append(steps, step{err: &client.ProblemError{Status: http.StatusUnauthorized}}, step{work: pcs(1, 1)})
	r, ctx := newRoom(t, steps...)
	r.Run(ctx)
	want(t, "the first pauses", r.slept[:6], time.Second, 2*time.Second, 4*time.Second, 8*time.Second, 15*time.Second, 15*time.Second)
	want(t, "a key that is not known", r.slept[300:301], 5*time.Minute)
	want(t, "woken", r.woken, "52:54:00:00:00:01")
	if n := strings.Count(r.log.String(), "\n"); n > 5 {
		t.Errorf("it says it in %d lines", n)
	}
}

func TestPacketsThatCannotBeSentAreSentAgain(t *testing.T) {
	r, ctx := newRoom(t, step{work: pcs(1, 2)}, step{work: pcs(1, 2)}, step{})
	r.broken = 2
	r.Run(ctx)
	want(t, "asked", r.asked, "a", "a", "a 1,2")
	const rest = 200 * time.Millisecond
	want(t, "slept", r.slept, rest, 5*time.Second, rest, rest, rest)
}

// A server makes it do nothing but wake single interfaces, a few at a time.
func TestAHostileServer(t *testing.T) {
	work := []job.HelperWake{{ID: "1", MAC: "ff:ff:ff:ff:ff:ff"}, {ID: "2", MAC: "01:00:5e:00:00:01"}, {ID: "3", MAC: "52:54:00:00:00:01:00:02"},
		{ID: "4", MAC: "; reboot"}, {ID: "5"}, {ID: "6", MAC: strings.Repeat("a", 1<<20)}}
	r, ctx := newRoom(t, step{work: work}, step{work: pcs(0, 200)}, step{})
	r.Run(ctx)
	if len(r.woken) != job.MaxHelperWork || !strings.HasPrefix(r.woken[0], "52:54:") {
		t.Errorf("woken are %d: %v", len(r.woken), r.woken)
	}
	if r.asked[1] != "a 1,2,3,4,5,6" {
		t.Errorf("asked: %q", r.asked)
	}
}

func TestItEndsWhenItIsTold(t *testing.T) {
	r, _ := newRoom(t)
	ctx, stop := context.WithCancel(t.Context())
	r.Sleep = nil
	r.Servers = r.Servers[:1]
	r.Servers[0].Ask = func(ctx context.Context, _ job.HelperPoll) (job.HelperWork, error) {
		stop()
		<-ctx.Done() // a long poll
		return job.HelperWork{}, ctx.Err()
	}
	r.Run(ctx)
	if ctx.Err() == nil {
		t.Error("it ended by itself")
	}
}

func validKey() job.HelperKey {
	return job.HelperKey{Servers: []string{"10.0.0.1:7443", "ardoise.school.example:7443"}, CA: strings.Repeat("ab", 32), Name: "pi", Secret: "c2VjcmV0"}
}

func TestKeys(t *testing.T) {
	for name, change := range map[string]func(*job.HelperKey){
		"no server":         func(k *job.HelperKey) { k.Servers = nil },
		"a hundred":         func(k *job.HelperKey) { k.Servers = slices.Repeat(k.Servers, 50) },
		"no port":           func(k *job.HelperKey) { k.Servers = []string{"10.0.0.1"} },
		"a path":            func(k *job.HelperKey) { k.Servers = []string{"10.0.0.1/x:1"} },
		"a person":          func(k *job.HelperKey) { k.Servers = []string{"me@10.0.0.1:1"} },
		"a named port":      func(k *job.HelperKey) { k.Servers = []string{"10.0.0.1:https"} },
		"half a print":      func(k *job.HelperKey) { k.CA = k.CA[:32] },
		"no secret":         func(k *job.HelperKey) { k.Secret = "" },
		"a secret of lines": func(k *job.HelperKey) { k.Secret = "a\r\nX: y" },
		"a long secret":     func(k *job.HelperKey) { k.Secret = strings.Repeat("a", 129) },
	} {
		k := validKey()
		change(&k)
		raw, err := json.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := relay.ParseKey(raw); err == nil {
			t.Errorf("%s is taken for a key", name)
		}
	}
	raw, err := json.Marshal(validKey())
	if err != nil {
		t.Fatal(err)
	}
	k, print, err := relay.ParseKey(raw)
	if err != nil || k.Name != "pi" || print[0] != 0xab {
		t.Errorf("a key: %+v, %v", k, err)
	}
}

// Whatever a key file holds, what is taken of it fits into an address and a header.
func FuzzParseKey(f *testing.F) {
	raw, err := json.Marshal(validKey())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(bytes.ReplaceAll(raw, []byte("7443"), []byte("0")))
	f.Add([]byte(`{"servers":["[::1]:1"],"ca":"` + strings.Repeat("00", 32) + `","secret":"~"}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, _, err := relay.ParseKey(b)
		if err != nil {
			return
		}
		r, err := http.NewRequest(http.MethodPost, "https://"+k.Servers[0]+job.PathHelper, nil)
		if err != nil {
			return // the first question says so
		}
		r.Header.Set("Authorization", "Bearer "+k.Secret)
		var out bytes.Buffer
		if err := r.Header.Write(&out); err != nil || strings.Count(out.String(), "\n") != 1 {
			t.Fatalf("%q becomes %q, %v", b, out.String(), err)
		}
		if r.URL.Path != job.PathHelper {
			t.Fatalf("%q is asked at %q", b, r.URL)
		}
	})
}
