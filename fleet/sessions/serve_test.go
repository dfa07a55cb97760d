package sessions

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/masters/manifest"
)

// FuzzReadJoin lets computers join with anything: what is let in is for the manifest of the task, by the name that people
// gave, and small.
func FuzzReadJoin(f *testing.F) {
	hash := manifest.HashOf([]byte("a manifest"))
	v := Visitor{Computer: "7", Name: "S104-07", Session: "12", Manifest: hash.String()}
	whole, err := json.Marshal(wire.Join{Manifest: hash, Name: "somebody else", Link: 1e9, MTU: 1500, Multicast: true})
	if err != nil {
		f.Fatal(err)
	}
	other, err := json.Marshal(wire.Join{Manifest: manifest.HashOf(nil), Multicast: true})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{whole, other, whole[:len(whole)/2], nil, []byte("{}"), []byte("null"), []byte(`{"Link":-1,"MTU":-9e99}`),
		append(whole[:len(whole):len(whole)], "{}"...)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		ask, err := readJoin(raw, v)
		var refused *Refusal
		if err != nil {
			if !errors.As(err, &refused) || refused.Status/100 != 4 || string(raw) == string(whole) {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		again, err := json.Marshal(ask)
		if err != nil || len(again) > 1024 || ask.Manifest != hash || ask.Name != "S104-07" || ask.Link < 0 || ask.MTU < 0 {
			t.Fatalf("let in: %+v, %v", ask, err)
		}
	})
}

// One computer gets one answer with symbols at a time, and counted reports; others have nothing of that.
func TestWhatOneComputerMayAsk(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	r := &run{people: map[string]*person{}, told: map[string]bool{}, report: Report{Started: now}, server: &session.Server{}}
	r.admit(Visitor{Computer: "a", Name: "a"}, Path{}, true, now)
	r.admit(Visitor{Computer: "b", Name: "b"}, Path{}, true, now)
	status := func(computer, route string, at time.Time) (int, func()) {
		_, leave, err := r.enter(computer, route, at)
		var no *Refusal
		if errors.As(err, &no) {
			return no.Status, nil
		}
		return http.StatusOK, leave
	}
	if got, _ := status("c", "/report", now); got != StatusNone {
		t.Errorf("who has not joined gets %d", got)
	}
	got, leave := status("a", "/symbols", now)
	second, _ := status("a", "/symbols", now)
	others, _ := status("b", "/symbols", now)
	if got != http.StatusOK || second != StatusOften || others != http.StatusOK {
		t.Errorf("symbols: %d, at the same time %d, another %d", got, second, others)
	}
	leave()
	if got, _ := status("a", "/symbols", now); got != http.StatusOK {
		t.Errorf("symbols afterwards: %d", got)
	}
	taken := 0
	for range 100 {
		if got, _ := status("a", "/report", now); got == http.StatusOK {
			taken++
		}
	}
	if taken != reportBurst {
		t.Errorf("%d reports at once are taken, want %v", taken, reportBurst)
	}
	for i := range 1000 { // as an agent reports: four times a second, for ever
		if got, _ := status("b", "/report", now.Add(time.Duration(i)*250*time.Millisecond)); got != http.StatusOK {
			t.Fatalf("report %d of an honest computer: %d", i, got)
		}
	}
}
