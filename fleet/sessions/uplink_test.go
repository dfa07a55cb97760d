package sessions

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestWhatIsFetchedKeepsItsRate(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var u uplink
	if got := u.take(now, 1<<30); got != 0 {
		t.Errorf("without a limit it waits %v", got)
	}
	u.set(1_000_000)
	var last time.Duration
	for range 30 { // at one time, of whomever
		last = u.take(now, 100_000)
	}
	if want := 2900 * time.Millisecond; last != want { // three seconds, a tenth of one at once
		t.Errorf("3 MB wait %v, want %v", last, want)
	}
	if got := u.used(); got != 1<<30+3_000_000 || u.used() != 0 {
		t.Errorf("%d bytes were used", got)
	}
	now = now.Add(time.Hour)
	if first, second := u.take(now, 100_000), u.take(now, 100_000); first != 0 || second != 100*time.Millisecond {
		t.Errorf("after a rest they wait %v and %v: it must not save up more than a tenth of a second", first, second)
	}
	u.set(0)
	if got := u.take(now, 1<<30); got != 0 {
		t.Errorf("without a limit again it waits %v", got)
	}
}

func TestMulticastAndHTTPSShareTheUplink(t *testing.T) {
	tests := map[string]struct{ limit, multicast, https, ofMulticast, ofHTTPS int64 }{
		"no limit":              {0, 50, 50, 0, 0},
		"nothing is sent":       {100, 0, 0, 100, 100},
		"multicast alone":       {100, 100, 0, 100, 50},
		"HTTPS alone":           {100, 0, 100, 50, 100},
		"both want all":         {100, 100, 100, 50, 50},
		"a few fetch a little":  {100, 90, 10, 90, 50},
		"a session of a little": {100, 10, 90, 50, 90},
	}
	for name, tt := range tests {
		if a, b := halves(tt.limit, tt.multicast, tt.https); a != tt.ofMulticast || b != tt.ofHTTPS {
			t.Errorf("%s: %d and %d, want %d and %d", name, a, b, tt.ofMulticast, tt.ofHTTPS)
		}
	}
}

// What is fetched of a session and what is fetched beside it are under one limit, which the manager sets each second.
func TestFetchesAreUnderTheLimitOfTheHour(t *testing.T) {
	limit := int64(80_000_000)
	now := time.Unix(1_800_000_000, 0)
	m := New(Options{Limit: func(time.Time) int64 { return limit }, Now: func() time.Time { return now }})
	defer m.stop()
	if got := m.https.rate; got != Payload(limit) {
		t.Errorf("at first %d bytes a second, want %d", got, Payload(limit))
	}
	var out bytes.Buffer
	if _, err := m.Pace(context.Background(), &out).Write(make([]byte, 300_000)); err != nil || out.Len() != 300_000 {
		t.Fatalf("%d bytes came: %v", out.Len(), err)
	}
	w := httptest.NewRecorder()
	n, err := m.answering(w, httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/symbols", nil)).Write(make([]byte, 200_000))
	if err != nil || n != 200_000 || w.Body.Len() != n {
		t.Fatalf("%d bytes came of an answer: %v", w.Body.Len(), err)
	}
	if got := m.https.used(); got != 500_000 {
		t.Errorf("%d bytes are counted", got)
	}
	limit = 8_000_000
	m.tick(context.Background())
	if got := m.https.rate; got != Payload(limit) {
		t.Errorf("at the next hour %d bytes a second, want %d", got, Payload(limit))
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	var gone bytes.Buffer
	if _, err := m.Pace(ctx, &gone).Write(make([]byte, 10_000_000)); !errors.Is(err, context.Canceled) || gone.Len() > 1_000_000 {
		t.Errorf("who has gone is sent %d bytes: %v", gone.Len(), err)
	}
}
