package ntfs

import (
	"slices"
	"strings"
	"testing"
)

func TestRunsAreDecodedOrRefused(t *testing.T) {
	g := &Geometry{Clusters: 1000, Cluster: 4096}
	for name, tt := range map[string]struct {
		packed string
		want   []Run
		bad    bool
	}{
		"none":                    {packed: "\x00"},
		"one":                     {packed: "\x11\x05\x0a\x00", want: []Run{{7, 10, 5}}},
		"back and on":             {packed: "\x11\x05\x64\x11\x01\xf6\x21\x02\x00\x01\x00", want: []Run{{7, 100, 5}, {12, 90, 1}, {13, 346, 2}}},
		"a hole between":          {packed: "\x11\x05\x0a\x01\x09\x11\x01\x05\x00", want: []Run{{7, 10, 5}, {12, -1, 9}, {21, 15, 1}}},
		"up to the last cluster":  {packed: "\x21\x01\xe7\x03\x00", want: []Run{{7, 999, 1}}},
		"eight bytes each":        {packed: "\x88\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00", want: []Run{{7, 2, 1}}},
		"beyond the last cluster": {packed: "\x21\x02\xe7\x03\x00", bad: true},
		"before the first":        {packed: "\x11\x01\xff\x00", bad: true},
		"no clusters":             {packed: "\x11\x00\x0a\x00", bad: true},
		"fewer than none":         {packed: "\x11\xff\x0a\x00", bad: true},
		"no length at all":        {packed: "\x10\x0a\x00", bad: true},
		"nine bytes":              {packed: "\x19" + strings.Repeat("\x00", 12), bad: true},
		"cut short":               {packed: "\x21\x05\x0a", bad: true},
		"no end":                  {packed: "\x11\x05\x0a", bad: true},
		"nothing":                 {packed: "", bad: true},
		"2^62 clusters":           {packed: "\x18\x00\x00\x00\x00\x00\x00\x00\x40\x01\x00", bad: true},
		"a distance of 2^62":      {packed: "\x81\x01\x00\x00\x00\x00\x00\x00\x00\x40\x00", bad: true},
		"holes without end":       {packed: strings.Repeat("\x06\x00\x00\x00\x00\x00\x01", 4) + "\x00", bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := g.parseRuns([]byte(tt.packed), 7)
			if ok == tt.bad || ok && !slices.Equal(got, tt.want) {
				t.Errorf("got %v, %v", got, ok)
			}
		})
	}
}

func TestPathsAreOrderedNameByName(t *testing.T) {
	for _, tt := range []struct{ a, b string }{{"a", "b"}, {"a/z", "a b"}, {"a", "a/b"}, {"B", "a"}} {
		if !before(tt.a, tt.b) || before(tt.b, tt.a) {
			t.Errorf("%q does not come before %q", tt.a, tt.b)
		}
	}
}

func TestATornRecordIsSeen(t *testing.T) {
	b := make([]byte, 1024)
	copy(b[4:], "\x30\x00\x03\x00")
	copy(b[0x30:], "\x07\x00AABB")
	for _, end := range []int{510, 1022} {
		copy(b[end:], "\x07\x00")
	}
	whole := slices.Clone(b)
	if !unprotect(whole) || string(whole[510:512]) != "AA" || string(whole[1022:]) != "BB" {
		t.Error("a whole record is not put right")
	}
	for name, at := range map[string]int{"its first half is old": 510, "its second half is old": 1022, "a count that does not fit": 6,
		"fix-ups behind the first half": 5} {
		torn := slices.Clone(b)
		torn[at] = 6
		if unprotect(torn) {
			t.Errorf("%s, and it is not seen", name)
		}
	}
}
