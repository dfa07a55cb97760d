package capture

import (
	"errors"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/masters/manifest"
)

// TestEveryUsedByteHasOneClass lies about the classes of a disk in each way that a reader could.
func TestEveryUsedByteHasOneClass(t *testing.T) {
	extent := func(offset, length int64) manifest.Extent { return manifest.Extent{Offset: offset, Length: length} }
	for name, c := range map[string]struct {
		change func(m *manifest.Manifest)
		volume int
		offset int64
		reason string // "" for none
	}{
		"the truth":                  {func(*manifest.Manifest) {}, 0, 0, ""},
		"a byte used without class":  {func(m *manifest.Manifest) { m.Volumes[0].Used++ }, 0, 1000, "6000 bytes have a class, 6001 are used"},
		"a byte of a class unused":   {func(m *manifest.Manifest) { m.Volumes[1].Used-- }, 1, 20000, "512 bytes have a class, 511 are used"},
		"a fill over a chunk":        {func(m *manifest.Manifest) { m.Fills[0].Offset = 2999 }, 0, 2999, "overlap"},
		"don't-care within a fill":   {func(m *manifest.Manifest) { m.DontCare[0] = extent(3500, 10) }, 0, 3500, "overlap"},
		"two chunks in one place":    {func(m *manifest.Manifest) { m.DontCare[1] = extent(1000, 2000) }, 0, 1000, "overlap"},
		"a place before its volume":  {func(m *manifest.Manifest) { m.DontCare[1] = extent(10, 20) }, 0, 10, "lies outside"},
		"a place over the end":       {func(m *manifest.Manifest) { m.DontCare[0] = extent(8000, 3001) }, 0, 8000, "lies outside"},
		"a place between volumes":    {func(m *manifest.Manifest) { m.DontCare[1] = extent(15000, 512) }, 1, 15000, "lies outside"},
		"a place behind all volumes": {func(m *manifest.Manifest) { m.DontCare = append(m.DontCare, extent(40000, 1)) }, -1, 40000, "in no volume"},
		"a place of no length":       {func(m *manifest.Manifest) { m.DontCare = append(m.DontCare, extent(9000, 0)) }, 0, 9000, "overlap"},
	} {
		t.Run(name, func(t *testing.T) {
			m := &manifest.Manifest{
				Volumes: []manifest.Volume{{Start: 1000, Length: 10000, Used: 6000}, {Start: 20000, Length: 10000, Used: 512}},
				Fills:   []manifest.Fill{{Extent: extent(3000, 1000)}}, DontCare: []manifest.Extent{extent(5000, 3000), extent(29488, 512)}}
			m.Chunks.Append(manifest.Entry{Length: 2000, Pieces: []manifest.Piece{{Length: 1000, Offset: 2000}, {At: 1000, Length: 1000, Offset: 1000}}})
			c.change(m)
			err := checkClasses(m)
			var wrong *ClassError
			switch {
			case c.reason == "" && err != nil:
				t.Fatalf("checkClasses = %v", err)
			case c.reason == "":
			case !errors.As(err, &wrong) || wrong.Volume != c.volume || wrong.Offset != c.offset || !strings.Contains(wrong.Reason, c.reason):
				t.Errorf("checkClasses = %v, want volume %d, offset %d, %q", err, c.volume, c.offset, c.reason)
			}
		})
	}
}
