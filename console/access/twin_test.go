package access_test

import (
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/fleet/sqlite"
	"github.com/ardoise/ardoise/imaging/job"
)

// nobodysKey signs nothing that counts.
type nobodysKey struct{}

func (nobodysKey) Sign(string, []byte) []byte { return nil }
func (nobodysKey) Public() string             { return "" }

// TestACloneTellsNobodyOfTheOtherSite: what looks like a computer of another site says so to who sees both, and is moved by
// who may enrol in both; whoever has one of the sites learns nothing of the other.
func TestACloneTellsNobodyOfTheOtherSite(t *testing.T) {
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	store, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "db"))
	must(err)
	t.Cleanup(func() { must(store.Close()) })
	f, err := fleet.Open(ctx, fleet.Options{Store: store, Signer: nobodysKey{}})
	must(err)
	for name, network := range map[string]string{"zola": "10.1.0.0/16", "hugo": "10.2.0.0/16"} {
		_, err := f.SetSite(ctx, fleet.Site{Name: name, Networks: []netip.Prefix{netip.MustParsePrefix(network)}}, "m")
		must(err)
	}
	hello := func(key, address string) job.Welcome {
		t.Helper()
		w, err := f.Hello(ctx, fleet.Introduction{Key: key, Address: address, Hello: job.Hello{NewKey: true, MAC: "52:54:00:11:22:33",
			Inventory: job.Inventory{UUID: "4c4c4544-0042-4a10-8054-b7c04f5a0001"}}})
		must(err)
		return w
	}
	_, err = f.Approve(ctx, fleet.Approval{Code: hello("first", "10.1.0.5").Code, Name: "secret-of-zola"})
	must(err)
	_, err = f.Rekey(ctx, "secret-of-zola", "m")
	must(err)
	code := hello("second", "10.2.0.5").Code

	h := &access.House{Fleet: f}
	desk := func(sites ...string) access.Desk {
		return h.For(people.Caller{Login: "t", Role: people.Technician, Via: people.ViaSession, Sites: sites})
	}
	one, both := desk("hugo"), desk("hugo", "zola")
	for name, d := range map[string]access.Desk{"hugo": one, "zola and hugo": both} {
		waiting, err := d.Pending()
		if err != nil || len(waiting) != 1 {
			t.Fatalf("a technician of %s sees %+v, %v", name, waiting, err)
		}
		if twin := waiting[0].Twin; (twin != nil) != (name != "hugo") || twin != nil && (twin.Name != "secret-of-zola" || twin.Site != "zola") {
			t.Errorf("a technician of %s sees the twin %+v", name, twin)
		}
		events, err := d.Events(ctx, access.EventFilter{})
		must(err)
		for _, e := range events {
			if strings.Contains(e.Detail, "secret-of-zola") && name == "hugo" {
				t.Errorf("a technician of hugo reads %+v", e)
			}
		}
	}
	_, err = one.Approve(ctx, access.Approve{Code: code, Moved: true})
	var refused *fleet.RefusedError
	if !errors.As(err, &refused) || refused.Code != fleet.CodeNoTwin || strings.Contains(err.Error(), "secret") {
		t.Errorf("a technician of hugo takes it: %v", err)
	}
	got, err := both.Approve(ctx, access.Approve{Code: code, Moved: true})
	if err != nil || got.Name != "secret-of-zola" || got.Site != "hugo" {
		t.Errorf("a technician of both sites gets %+v, %v", got, err)
	}

	// Enrolled, it goes back to its old site with its key: who sees both is told where it was seen.
	hello("second", "10.1.0.5")
	for name, d := range map[string]access.Desk{"": one, "zola": both} {
		if got, err := d.Computer("secret-of-zola"); err != nil || got.SeenAt != name {
			t.Errorf("it was seen in %q, %v; want %q", got.SeenAt, err, name)
		}
	}
}
