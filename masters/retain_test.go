package masters_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/storetest"
)

// numbers of the versions of a master that are there.
func left(t testing.TB, lib *masters.Library, name string) []int {
	t.Helper()
	all, err := lib.List()
	if err != nil {
		t.Fatal(err)
	}
	var out []int
	for _, v := range all {
		if v.Name == name {
			out = append(out, v.Number)
		}
	}
	return out
}

func TestRetain(t *testing.T) {
	lib := open(t, t.TempDir())
	some(t, lib, 8)
	for _, p := range []struct {
		v       int
		channel string
	}{{1, "stable"}, {3, "stable"}, {4, "test"}} {
		if _, err := lib.Promote(fmt.Sprintf("m@%d", p.v), p.channel, "marie"); err != nil {
			t.Fatal(err)
		}
	}
	users := func(v masters.Version) []string {
		if v.Number == 5 {
			return []string{"S104-07 runs it"}
		}
		return nil
	}
	want := map[int]string{1: "channel stable would go back to it", 2: "", 3: "channel stable", 4: "channel test",
		5: "S104-07 runs it", 6: "", 7: "among the last", 8: "among the last"}
	for _, dry := range []bool{true, false, true} {
		kept, err := lib.Retain("m", 2, "marie", users, dry)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range kept {
			if got := strings.Join(k.Why, ", "); got != want[k.Version.Number] {
				t.Errorf("dry %v: %s is kept by %q, want %q", dry, k.Version, got, want[k.Version.Number])
			}
		}
		left := 8
		if !dry || len(kept) < 8 {
			left = 6
		}
		if all, _ := lib.List(); len(all) != left {
			t.Errorf("dry %v: %d versions are left, want %d", dry, len(all), left)
		}
	}
	if _, err := lib.Retain("m", 0, "marie", nil, false); err == nil {
		t.Error("Retain of none forgets everything")
	}
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRulesAreKeptAndApplied(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	clocked := func() *masters.Library {
		lib, err := masters.Open(dir, masters.Options{Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		return lib
	}
	lib := clocked()
	_, frames := storetest.Frames(t, 2, 5)
	for _, name := range []string{"a", "b", "c", "free"} {
		for range 4 {
			if _, err := publish(t, lib, name, frames); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range []string{"a", "b", "c"} {
		if r, err := lib.SetRule(name, 2, "marie"); err != nil || r.KeepLast != 2 || !r.At.Equal(now) || r.By != "marie" {
			t.Fatalf("SetRule = %+v, %v", r, err)
		}
	}
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}
	lib = clocked() // a rule outlives the process
	if a, err := lib.About("a"); err != nil || a.Rule.KeepLast != 2 || a.Rule.By != "marie" {
		t.Fatalf("About = %+v, %v", a.Rule, err)
	}
	if all := lib.ApplyRules(now, "night", nil); len(all) != 0 || len(left(t, lib, "a")) != 4 {
		t.Errorf("a rule set at that moment was applied: %+v", all)
	}
	// One whose channels cannot be believed keeps everything, and does not stop the others.
	if err := os.WriteFile(filepath.Join(dir, "masters", "b", "about"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}
	lib = clocked()
	defer func() { _ = lib.Close() }()
	users := func(v masters.Version) []string {
		if v.String() == "c@1" {
			return []string{"S104-07 runs it"}
		}
		return nil
	}
	all := lib.ApplyRules(now.Add(time.Hour), "night", users)
	var about *masters.AboutError
	if len(all) != 3 || len(all[0].Forgotten) != 2 || !errors.As(all[1].Err, &about) || len(all[2].Forgotten) != 1 {
		t.Errorf("ApplyRules = %+v", all)
	}
	for name, want := range map[string][]int{"a": {3, 4}, "b": {1, 2, 3, 4}, "c": {1, 3, 4}, "free": {1, 2, 3, 4}} {
		if got := left(t, lib, name); !slices.Equal(got, want) {
			t.Errorf("of %s %v are left, want %v", name, got, want)
		}
	}
	if _, err := lib.SetRule("a", 0, "marie"); err != nil {
		t.Fatal(err)
	}
	if _, err := publish(t, lib, "a", frames); err != nil {
		t.Fatal(err)
	}
	lib.ApplyRules(now.Add(time.Hour), "night", nil)
	if got := left(t, lib, "a"); len(got) != 3 {
		t.Errorf("a rule that was taken away left %v", got)
	}
}

func TestRulesThatAreNone(t *testing.T) {
	lib := open(t, t.TempDir())
	defer func() { _ = lib.Close() }()
	some(t, lib, 1)
	var rule *masters.RuleError
	for _, n := range []int{-1, masters.MaxKeepLast + 1} {
		if _, err := lib.SetRule("m", n, "marie"); !errors.As(err, &rule) {
			t.Errorf("SetRule of the last %d = %v, want *RuleError", n, err)
		}
	}
	if _, err := lib.Retain("m", 0, "marie", nil, false); !errors.As(err, &rule) {
		t.Errorf("Retain of none = %v, want *RuleError", err)
	}
	var unknown *masters.UnknownError
	if _, err := lib.SetRule("n", 1, "marie"); !errors.As(err, &unknown) {
		t.Errorf("SetRule of nobody's = %v, want *UnknownError", err)
	}
}

// A daemon applies the rules once a night, what goes wrong or not.
func TestUpkeepAppliesRulesOnceANight(t *testing.T) {
	var hours atomic.Int64
	start := time.Date(2026, 3, 2, 22, 30, 0, 0, time.Local)
	lib, err := masters.Open(t.TempDir(), masters.Options{Now: func() time.Time { return start.Add(time.Duration(hours.Add(1)) * time.Hour) }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lib.Close() }()
	running, stop := context.WithCancel(ctx)
	defer stop()
	var nights []time.Time
	u := masters.Upkeep{Rate: 1 << 40, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Retain: func(_ context.Context, before time.Time) error {
			if nights = append(nights, before); len(nights) == 4 {
				stop()
			}
			return errors.New("of one master the channels are damaged")
		}}
	if err := lib.RunUpkeep(running, u); err != nil {
		t.Fatal(err)
	}
	for i, got := range nights {
		if want := time.Date(2026, 3, 2+i, 1, 0, 0, 0, time.Local); !got.Equal(want) { // the first look is that of a start
			t.Errorf("night %d began at %s, want %s", i, got, want)
		}
	}
	if len(nights) != 4 {
		t.Errorf("%d nights", len(nights))
	}
}
