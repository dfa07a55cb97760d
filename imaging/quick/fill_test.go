package quick

import (
	"slices"
	"testing"

	"github.com/ardoise/ardoise/masters/manifest"
)

// A log that lies elsewhere than the master's, and holds 0xFF, vouches for no zeros that should be there.
func TestBlankVouchesForNoOtherFill(t *testing.T) {
	at := manifest.Extent{Offset: 4096, Length: 8192}
	m := &manifest.Manifest{Fills: []manifest.Fill{{Extent: at, Byte: 0}, {Extent: at, Byte: 0xff}}}
	v := &Verdict{m: m, blank: []manifest.Extent{{Offset: 0, Length: 1 << 20}}}
	if rest := v.Fill(0); !slices.Equal(rest, []manifest.Extent{at}) {
		t.Errorf("of zeros is to be read: %v", rest)
	}
	if rest := v.Fill(1); len(rest) > 0 {
		t.Errorf("of 0xFF is to be read: %v", rest)
	}
	v.filled = []manifest.Extent{{Offset: 4096, Length: 4096}}
	if rest := v.Fill(0); !slices.Equal(rest, []manifest.Extent{{Offset: 8192, Length: 4096}}) {
		t.Errorf("of zeros that were partly read: %v", rest)
	}
}
