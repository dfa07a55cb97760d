package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"
)

func TestWireLimitIsThatOfTheIssue(t *testing.T) {
	perSecond := 1e6 / wireLimit(1e6, 100).Seconds()
	if math.Abs(perSecond-11.963e6) > 2000 {
		t.Errorf("100 Mb/s carry %.0f bytes a second, want 11.963 MB", perSecond)
	}
	if ten := wireLimit(1e6, 10); math.Abs(ten.Seconds()-10*wireLimit(1e6, 100).Seconds()) > 1e-6 {
		t.Errorf("a tenth of the speed takes %v", ten)
	}
}

func TestVersionTwoHasATenthOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	const chunks = 40
	var disks [3][]byte
	for version := 1; version <= 2; version++ {
		path := filepath.Join(dir, string(rune('0'+version)))
		if err := writeDisk(path, chunks*chunkSize, version); err != nil {
			t.Fatal(err)
		}
		var err error
		if disks[version], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	different := 0
	for k := range chunks {
		if !bytes.Equal(disks[1][k*chunkSize:(k+1)*chunkSize], disks[2][k*chunkSize:(k+1)*chunkSize]) {
			different++
		}
	}
	if different != chunks/10 {
		t.Errorf("%d of %d chunks differ", different, chunks)
	}
}

func TestSameBytes(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	long := bytes.Repeat([]byte("ardoise "), 1<<18) // exactly two buffers
	other := bytes.Clone(long)
	other[len(other)-1]++
	a := write("a", long)
	tests := map[string]struct {
		content []byte
		want    bool
	}{
		"the same":       {long, true},
		"the last byte":  {other, false},
		"shorter":        {long[:len(long)-1], false},
		"longer":         {append(bytes.Clone(long), 1), false},
		"half":           {long[:1<<20], false},
		"nothing at all": {nil, false},
	}
	for name, tt := range tests {
		if got, err := sameBytes(a, write("b", tt.content)); err != nil || got != tt.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestFigureTellsWhatWasMissed(t *testing.T) {
	s := Scene{What: "row", PCs: 3, bars: bars{healthy: 1.1, slow: 1.2, air: 1.1, frames: 105, cores: 0.4}}
	good := Run{Complete: 3, Expected: 3, Wire: &wireRate{Frames: 110e6, Cores: 0.3}}
	kept := Figure{Ratio: 1.05, Slow: 1.1, Air: 1.05, Median: good, Runs: []Run{good}}
	if missed := kept.missed(s); len(missed) != 0 {
		t.Errorf("all was kept, and it says %q", missed)
	}
	tests := map[string]struct {
		spoil func(*Figure)
		want  string
	}{
		"slower than promised":      {func(f *Figure) { f.Ratio = 1.2 }, "time 1.20"},
		"the slow one waits":        {func(f *Figure) { f.Slow = 1.5 }, "slow one 1.50"},
		"too much on air":           {func(f *Figure) { f.Air = 2 }, "on air 2.00"},
		"too few frames":            {func(f *Figure) { f.Median.Wire = &wireRate{Frames: 90e6} }, "90 MB/s"},
		"the sender works too hard": {func(f *Figure) { f.Median.Wire = &wireRate{Frames: 110e6, Cores: 0.6} }, "sender 0.60"},
		"nothing was seen":          {func(f *Figure) { f.Median.Wire = nil }, "too fast"},
		"a disk of another run":     {func(f *Figure) { f.Runs = append(f.Runs, Run{Complete: 2, Expected: 3}) }, "2 of 3"},
	}
	for name, tt := range tests {
		f := kept
		tt.spoil(&f)
		if missed := f.missed(s); len(missed) != 1 || !strings.Contains(missed[0], tt.want) {
			t.Errorf("%s: it says %q", name, missed)
		}
	}
}

func TestRateLeavesOutBothEnds(t *testing.T) {
	began := time.Unix(1000, 0)
	var samples []sample
	for i := range int64(101) { // a second long 1 MB/s, with a slow start and a slow end
		sent := i * 10_000
		at := began.Add(time.Duration(i) * 10 * time.Millisecond)
		if i <= 5 {
			at = at.Add(-10 * time.Second)
		}
		if i > 95 {
			at = at.Add(10 * time.Second)
		}
		samples = append(samples, sample{at, sent, time.Duration(i) * time.Millisecond})
	}
	w := rate(samples, 1_000_000, 500_000)
	if w == nil || math.Abs(w.Port-1e6) > 1e4 || math.Abs(w.Frames-5e5) > 1e4 || math.Abs(w.Cores-0.1) > 0.01 {
		t.Errorf("it reckons %+v", w)
	}
	if w := rate(samples[:5], 1_000_000, 500_000); w != nil {
		t.Errorf("of five samples it reckons %+v", w)
	}
}

func TestMedian(t *testing.T) {
	var runs []Run
	for _, seconds := range []float64{9, 1, 5} {
		runs = append(runs, Run{Seconds: seconds})
	}
	bySeconds := func(r Run) float64 { return r.Seconds }
	if m := medianBy(runs, bySeconds); m.Seconds != 5 {
		t.Errorf("of 9, 1, 5 it takes %v", m.Seconds)
	}
	if m := medianBy(runs[:2], bySeconds); m.Seconds != 9 {
		t.Errorf("of 9, 1 it takes %v, not the worse", m.Seconds)
	}
}

func TestLastJSON(t *testing.T) {
	tests := map[string]struct{ said, want string }{
		"lines, the last counts": {"{\"a\":1}\n{\"b\":2}\n", `{"b":2}`},
		"one document":           {"{\n \"a\": 1\n}\n", "{\n \"a\": 1\n}"},
		"words":                  {"all is well\n", ""},
		"nothing":                {"", ""},
	}
	for name, tt := range tests {
		if got := string(lastJSON([]byte(tt.said))); got != tt.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestReachCountsEverythingOnce(t *testing.T) {
	type leaf [2]uint64
	type tree struct {
		one   *leaf
		again *leaf
		row   []uint32
		names map[uint32]*leaf
		fixed [2][]byte
		up    *tree
	}
	shared := &leaf{}
	v := &tree{one: shared, again: shared, row: make([]uint32, 1, 10), names: map[uint32]*leaf{1: {}, 2: shared},
		fixed: [2][]byte{make([]byte, 5), nil}}
	v.up = v
	want := int64(unsafe.Sizeof(*v)) + 16 + 40 + 2*2*(4+8) + 16 + 5
	if got := reach(v); got != want {
		t.Errorf("it reaches %d bytes, want %d", got, want)
	}
}

func TestAProgramThatTakesTooLongRunsOnce(t *testing.T) {
	b := &bench{budget: 3 * time.Minute}
	tests := []struct {
		used time.Duration
		n    int
		want bool
	}{{0, 0, false}, {222 * time.Second, 1, true}, {89 * time.Second, 1, false}, {30 * time.Second, 2, false}, {121 * time.Second, 2, true}}
	for _, tt := range tests {
		if got := b.tooLong(tt.used, tt.n); got != tt.want {
			t.Errorf("%d runs in %v: %v", tt.n, tt.used, got)
		}
	}
	f := Figure{Ratio: 19.8, Runs: []Run{{Seconds: 222, Complete: 32, Expected: 32}}, Median: Run{Seconds: 222}, Asked: 3}
	if said := f.words(Scene{}); !strings.HasSuffix(said, "1 of 3 runs") {
		t.Errorf("of one run of three it says %q", said)
	}
}
