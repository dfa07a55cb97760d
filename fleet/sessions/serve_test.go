package sessions

import (
	"encoding/json"
	"errors"
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

// Only who has joined the present sender is answered by it.
func TestWhoHasJoinedIsAnswered(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	server := &session.Server{}
	r := &run{people: map[string]*person{}, told: map[string]bool{}, report: Report{Started: now}, server: server}
	r.admit(Visitor{Computer: "a", Name: "a"}, Path{}, true, now)
	if got, err := r.enter("a", "/report", now); got != server || err != nil {
		t.Errorf("who has joined: %v", err)
	}
	var no *Refusal
	if _, err := r.enter("c", "/report", now); !errors.As(err, &no) || no.Status != StatusNone {
		t.Errorf("who has not: %v", err)
	}
	r.people["a"].inside = false // of a sender that has ended
	if _, err := r.enter("a", "/report", now); !errors.As(err, &no) || no.Status != StatusNone {
		t.Errorf("who joined the one before: %v", err)
	}
}
