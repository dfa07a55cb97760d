package filter_test

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ardoise/ardoise/fleet/filter"
)

var now = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

func portable() *filter.Subject {
	return &filter.Subject{Name: "S104-07", Room: "zola/S104", Site: "zola", State: "enrolled", Tags: []string{"Portable", "prof"},
		Master: "Bureautique", Version: 7, LinkMbit: 100, LastSeen: now.Add(-31 * 24 * time.Hour), Task: "failed", Unfinished: true,
		Model: "OptiPlex 3060", Manufacturer: "Dell Inc.", Serial: "ABC123", MACs: []string{"52:54:00:00:00:01"},
		Address: "10.1.2.3", Note: "écran cassé", MemoryBytes: 4 << 30, DiskBytes: 256_060_514_304, UEFI: true}
}

func TestWhatAFilterMatches(t *testing.T) {
	for query, want := range map[string]bool{
		"": true, "  ": true, "s104": true, "optiplex": true, "CASSÉ": true, "S105": false, "-S105": true, "52:54:00": true,
		"room:s104": true, "room:zola/S104": true, "room:S1": false, "room:none": false, "site:zola": true, "site:none": false,
		"tag:portable": true, "tag:port": false, "-tag:portable": false, "tag:none": false, "state:pending": false,
		"runs:Bureautique@7": true, "runs:bureautique": true, "runs:Bureau": false, "runs:Bureautique@70": false, "runs:none": false,
		"-runs:Bureautique@8": true, "link<=100": true, "link<100": false, "link:100": true, "link>=1000": false,
		"unseen>30d": true, "unseen>5w": false, "unseen<32d": true, "memory<4G": false, "memory<=4g": true, "memory:4GB": true,
		"disk<256G": false, "disk<257G": true, "disk>0.2T": true, "unfinished:yes": true, "unfinished:no": false,
		"offline:no": true, "uefi:oui": true, "secureboot:yes": false, "task:failed": true, `model:"OptiPlex 3060"`: true,
		`model:"optiplex 30"`: true, "model:dell": true, "serial:bc1": true, "mac:52-54-00-00-00-01": true, "address:10.1.2.3": true,
		"room:S104 tag:prof -runs:none": true, "room:S104 tag:prof runs:none": false, `note:"écran"`: true, `"S104-07"`: true,
		`note:"a \" b"`: false, "name:s104-07": true, "name:s104": false,
		`"dell inc."`: true, "\"dell inc.\x00abc123\"": false, "ABC123 abc123 -abc124": true, `""`: true, `-""`: false, "--": false, "---x": true,
	} {
		f, err := filter.Parse(query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		if got := f.Match(portable(), now); got != want {
			t.Errorf("%s matches: %v, want %v", query, got, want)
		}
	}
}

// Of a computer that nobody has seen nothing is known, so nothing that is measured is true of it, nor its contrary.
func TestWhatIsNotKnownIsNotCompared(t *testing.T) {
	for query, want := range map[string]bool{
		"link<=100": false, "link>0": false, "memory<4G": false, "disk>0": false, "unseen>30d": true, "unseen<30d": false,
		"runs:none": true, "room:none": true, "tag:none": true, "runs:x": false, "task:none": true, "site:none": true,
	} {
		f, err := filter.Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Match(&filter.Subject{}, now); got != want {
			t.Errorf("%s matches: %v, want %v", query, got, want)
		}
	}
}

func TestAMistakeIsShownWhereItIs(t *testing.T) {
	for query, at := range map[string]int{
		"link<=fast": 0, "room:S104 colour:red": 10, "éé unseen:30d": 3, "tag<3": 0, "runs:": 0, `a model:"Opti`: 2, "a -": 2,
		"memory<4X": 0, "runs:a@b": 0, "runs:a@": 0, "unfinished:maybe": 0, "disk<-1": 0, "link<NaN": 0, "unseen>30": 0, "unseen>1e300d": 0,
		strings.Repeat("a ", 51): 100, strings.Repeat("é", 1001): 1000,
	} {
		_, err := filter.Parse(query)
		var e *filter.Error
		if !errors.As(err, &e) || e.At != at {
			t.Errorf("%.40q: %v, want a mistake at %d", query, err, at)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"room:S104 -runs:Bureautique@7", `model:"OptiPlex 3060" link<=100 unseen>30d`, `"`, "-", "a:b:c", "é\u202e<=x",
		`tag:"\`, "memory<4G disk>=0.5T", strings.Repeat("-", 2000)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		x, err := filter.Parse(query)
		if err != nil {
			var e *filter.Error
			if !errors.As(err, &e) || e.At < 0 || e.At > utf8.RuneCountInString(query) || e.Reason == "" {
				t.Fatalf("%q: %v", query, err)
			}
			return
		}
		again, err := filter.Parse(x.String())
		if err != nil {
			t.Fatalf("what was understood is not understood again: %v", err)
		}
		for _, s := range []*filter.Subject{portable(), {}} {
			if x.Match(s, now) != again.Match(s, now) {
				t.Fatalf("%q has two meanings", query)
			}
		}
	})
}

// What is quoted comes back, whatever it is.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"OptiPlex 3060", `a"b\c`, "", "x", "-x", "a:b", " "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) || utf8.RuneCountInString(s) > 400 {
			return
		}
		x, err := filter.Parse("serial:" + filter.Quote(s))
		if err != nil {
			t.Fatalf("%q is quoted as %s: %v", s, filter.Quote(s), err)
		}
		if !x.Match(&filter.Subject{Serial: s}, now) {
			t.Fatalf("%q is quoted as %s, which does not find it", s, filter.Quote(s))
		}
	})
}
