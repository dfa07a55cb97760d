package restore_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// word is what somebody knows of a disk.
type word struct {
	m       *manifest.Manifest
	entries map[int]bool
	read    map[int]bool // done, and whether equal
	fills   map[int]bool // nothing of it is to be read
}

func (w word) Entry(i int) bool { return w.entries[i] }

func (w word) Read(i int) (done, equal bool) {
	equal, done = w.read[i]
	return done, equal
}

func (w word) Fill(k int) []manifest.Extent {
	if w.fills[k] {
		return nil
	}
	return []manifest.Extent{w.m.Fills[k].Extent}
}

// restored is a master and a disk that holds it.
func restored(t *testing.T) (*testMaster, *memDisk) {
	tm := school(t, 8*mib, manifest.GPT, 7)
	d := newDisk(8 * mib)
	mustRun(t, options(tm, d, false))
	return tm, d
}

// dataEntry is an entry of a file in the root volume, in one piece.
func dataEntry(t *testing.T, m *manifest.Manifest, skip int) (int, manifest.Entry) {
	v := m.Volumes[len(m.Volumes)-1]
	for i, e := range m.Chunks.All() {
		if e.Stream != v.Meta && e.Pieces[0].Offset >= v.Start && len(e.Pieces) == 1 {
			if skip == 0 {
				return i, e
			}
			skip--
		}
	}
	t.Fatal("there is none")
	return 0, manifest.Entry{}
}

func TestWhatIsVouchedForIsNeitherReadNorWritten(t *testing.T) {
	tm, d := restored(t)
	i, e := dataEntry(t, tm.m, 0)
	k, other := dataEntry(t, tm.m, 1)
	d.put(e.Pieces[0].Offset, []byte("somebody vouches for this"))
	d.put(other.Pieces[0].Offset, []byte("and nobody for that"))
	d.put(tm.m.Fills[0].Offset, []byte("dirt"))
	full := mustVerify(t, options(tm, d, false))
	if len(full.Streams) != 2 || len(full.Fills) != 1 {
		t.Fatalf("before: %s", full.Summary())
	}
	o := options(tm, d, false)
	o.Vouched = word{m: tm.m, entries: map[int]bool{i: true}, fills: map[int]bool{0: true}}
	r := mustRun(t, o)
	want := int64(e.Pieces[0].Length) + tm.m.Fills[0].Length
	if r.Level != job.LevelQuick || r.VouchedChunks != 1 || r.VouchedBytes != want || r.ChangedChunks != 1 ||
		r.DifferedBytes != int64(other.Pieces[0].Length) {
		t.Errorf("report %+v, want %d bytes vouched for", r, want)
	}
	after := mustVerify(t, o) // which believes nobody
	if len(after.Streams) != 1 || after.Streams[0].Stream != e.Stream || len(after.Fills) != 1 {
		t.Errorf("after: %s; entries %d and %d", after.Summary(), i, k)
	}
	if r := mustRun(t, options(tm, d, false)); r.Level != job.LevelFull || r.VouchedBytes != 0 || r.WrittenBytes == 0 {
		t.Errorf("in full: %+v", r)
	}
}

func TestAQuickResetReadsBackWhatItWrote(t *testing.T) {
	tm, d := restored(t)
	k, e := dataEntry(t, tm.m, 1)
	d.put(e.Pieces[0].Offset, []byte("differs"))
	d.put(tm.m.Fills[0].Offset, []byte("dirt"))
	w := word{m: tm.m, read: map[int]bool{}}
	heads := int64(0) // bytes of the entries that lie on a head of the volume that changes
	v := tm.m.Volumes[len(tm.m.Volumes)-1]
	for i, e := range tm.m.Chunks.All() {
		w.read[i] = i != k
		for _, p := range e.Pieces {
			if slices.ContainsFunc(v.Heads, func(h manifest.Extent) bool {
				return p.Offset < h.End() && h.Offset < p.Offset+int64(p.Length)
			}) {
				heads += piecesOf(e)
				break
			}
		}
	}
	o := options(tm, d, false)
	o.Vouched = w
	var scan, back int64
	o.Progress = func(p restore.Progress) {
		switch p.Phase {
		case restore.PhaseScan:
			scan = p.Total
		case restore.PhaseVerify:
			back = p.Total
		}
	}
	r := mustRun(t, o)
	var fills int64
	for _, f := range tm.m.Fills {
		fills += f.Length
	}
	if scan != fills || r.FillBytes != fills {
		t.Errorf("scanned %d bytes, of fills %d; they have %d", scan, r.FillBytes, fills)
	}
	// The fill's first step of 64 KiB differs.
	if want := int64(e.Pieces[0].Length) + heads + 64*kib; heads == 0 || back != want || r.ReadBackBytes < want || r.ChangedChunks != 1 {
		t.Errorf("read back %d and %d bytes, want %d; %d chunks changed", back, r.ReadBackBytes, want, r.ChangedChunks)
	}
}

// keeper is a word that has compared pages, and has what some should hold at hand.
type keeper struct {
	word
	pages map[int]uint64
	want  map[int][]byte
}

func (k keeper) Pages(i int) (uint64, []byte, bool) {
	pages, known := k.pages[i]
	return pages, k.want[i], known
}

func TestOnlyPagesThatDifferAreWrittenAndAllAreReadBack(t *testing.T) {
	tm, d := restored(t)
	k, e := dataEntry(t, tm.m, 0)
	last := int64(e.Pieces[0].Length) - 1
	for _, tt := range []struct {
		at    []int64 // of what differs
		pages uint64
		bytes int64
		wrong bool
	}{
		{[]int64{0}, 1, 4096, false},
		{[]int64{4096, 9000, 20000}, 1<<1 | 1<<2 | 1<<4, 3 * 4096, false},
		{[]int64{4096, 9000}, 1 << 1, 4096, true},
		{[]int64{last}, 1<<(last/4096) | 1<<63, last%4096 + 1, false},
	} {
		for _, at := range tt.at {
			d.put(e.Pieces[0].Offset+at, []byte{0x5a})
		}
		o := options(tm, d, false)
		o.Vouched = keeper{word{m: tm.m, read: map[int]bool{k: false}}, map[int]uint64{k: tt.pages}, nil}
		r, err := restore.Run(context.Background(), o)
		var mismatch *restore.MismatchError
		if errors.As(err, &mismatch) != tt.wrong || err == nil == tt.wrong {
			t.Errorf("pages %b of %v: %v", tt.pages, tt.at, err)
		}
		var heads int64
		for _, h := range tm.m.Volumes[len(tm.m.Volumes)-1].Heads {
			heads += h.Length
		}
		if r.WrittenBytes != tt.bytes+2*heads { // which are broken and healed
			t.Errorf("pages %b: %d bytes were written, want %d and %d of heads twice", tt.pages, r.WrittenBytes, tt.bytes, heads)
		}
		mustRun(t, options(tm, d, false))
	}
}

// What the scan itself finds to differ it compares with the master's content.
func TestOnlyPagesOfFilesThatDifferAreWritten(t *testing.T) {
	tm, d := restored(t)
	_, e := dataEntry(t, tm.m, 0)
	off, last := e.Pieces[0].Offset, int64(e.Pieces[0].Length)-1
	if last < 5*4096 {
		t.Fatalf("the file has %d bytes", last+1)
	}
	var heads int64
	for _, h := range tm.m.Volumes[len(tm.m.Volumes)-1].Heads {
		heads += h.Length
	}
	for _, tt := range []struct {
		at    []int64
		bytes int64
	}{
		{[]int64{0}, 4096},
		{[]int64{4096, 9000, 20000}, 3 * 4096},
		{[]int64{last}, last%4096 + 1},
		{[]int64{0, last}, 4096 + last%4096 + 1},
	} {
		for _, at := range tt.at {
			d.put(off+at, []byte{0x5a})
		}
		o := options(tm, d, false)
		o.Vouched = word{m: tm.m}
		if r := mustRun(t, o); r.WrittenBytes != tt.bytes+2*heads || !r.Proven {
			t.Errorf("what differs at %v: %d bytes were written, want %d and %d of heads twice", tt.at, r.WrittenBytes, tt.bytes, heads)
		}
		if d := mustVerify(t, options(tm, d, false)); !d.None() {
			t.Errorf("what differed at %v: %s", tt.at, d.Summary())
		}
	}
	d.put(off, []byte{0x5a})
	o := options(tm, d, false)
	o.Exceptions = []job.Exception{exceptionOf(off+4096, []byte("this computer's own"))}
	o.Vouched = word{m: tm.m}
	if r := mustRun(t, o); r.WrittenBytes < last+1 {
		t.Errorf("%d bytes of a chunk with an exception were written, want all %d", r.WrittenBytes, last+1)
	}
}

func TestWhatSomebodyHasAtHandIsNotFetchedAndReadBack(t *testing.T) {
	tm, d := restored(t)
	k, e := dataEntry(t, tm.m, 1)
	content := make([]byte, e.Length)
	if _, err := d.ReadAt(content, e.Pieces[0].Offset); err != nil {
		t.Fatal(err)
	}
	last := uint64(len(content)-1) / 4096
	if last < 2 || len(e.Pieces) != 1 {
		t.Fatalf("the file has %d bytes in %d pieces", len(content), len(e.Pieces))
	}
	tail := content[last*4096:]
	run := func(pages uint64, want []byte) (restore.Report, error) {
		d.put(e.Pieces[0].Offset, []byte("differs"))
		d.put(e.Pieces[0].Offset+int64(last*4096), []byte{^tail[0]})
		o := options(tm, d, false)
		o.Vouched = keeper{word{m: tm.m, read: map[int]bool{k: false}}, map[int]uint64{k: pages}, map[int][]byte{k: want}}
		return restore.Run(context.Background(), o)
	}
	both, want := uint64(1)|1<<last, slices.Concat(content[:4096], tail)
	if r, err := run(both, want); err != nil || r.FetchedChunks != 0 || r.WrittenBytes == 0 {
		t.Errorf("fetched %d chunks, wrote %d bytes: %v", r.FetchedChunks, r.WrittenBytes, err)
	}
	if diff := mustVerify(t, options(tm, d, false)); !diff.None() {
		t.Error(diff.Summary())
	}
	for what, bad := range map[string][]byte{"too short": want[1:], "too long": append(slices.Clone(want), 0), "none": {}} {
		if r, err := run(both, bad); err != nil || r.FetchedChunks != 1 {
			t.Errorf("pages that are %s: fetched %d chunks, %v", what, r.FetchedChunks, err)
		}
	}
	if r, err := run(both|1<<63, append(slices.Clone(want), 1)); err != nil || r.FetchedChunks != 1 {
		t.Errorf("a page behind the end: fetched %d chunks, %v", r.FetchedChunks, err)
	}
	var mismatch *restore.MismatchError
	if _, err := run(1, content[:4096]); !errors.As(err, &mismatch) {
		t.Errorf("a page that is not said to differ: %v", err)
	}
	want[7] ^= 1
	if _, err := run(both, want); !errors.As(err, &mismatch) {
		t.Errorf("pages that are not the master's: %v", err)
	}
}

// Two files of one content may differ in other pages: what is kept of the one is not all that the other needs.
func TestWhatIsAtHandForOneOfTwoEqualChunksIsFetched(t *testing.T) {
	twin := func(off int64) file {
		f := at(off, 16*kib)
		f.seed = 9
		return f
	}
	tm := build(t, 8*mib, manifest.GPT, 7, []vol{{kind: "ext4",
		part:  manifest.Partition{Number: 1, Start: mib, Length: 4 * mib, Type: typeLinux, GUID: guidRoot, Name: "root"},
		heads: []manifest.Extent{ext(1024, 1024)}, files: []file{at(0, 32*kib), twin(64 * kib), twin(128 * kib)}}})
	d := newDisk(8 * mib)
	mustRun(t, options(tm, d, false))
	first, a := dataEntry(t, tm.m, 0)
	second, b := dataEntry(t, tm.m, 1)
	if a.ID != b.ID {
		t.Fatal("the twins are none")
	}
	content := make([]byte, a.Length)
	if _, err := d.ReadAt(content, a.Pieces[0].Offset); err != nil {
		t.Fatal(err)
	}
	d.put(a.Pieces[0].Offset, []byte("differs"))
	d.put(b.Pieces[0].Offset+4096, []byte("differs"))
	o := options(tm, d, false)
	o.Vouched = keeper{word{m: tm.m, read: map[int]bool{first: false, second: false}}, map[int]uint64{first: 1, second: 2},
		map[int][]byte{first: content[:4096], second: content[4096:8192]}}
	if r := mustRun(t, o); !r.Proven || r.FetchedChunks != 1 {
		t.Errorf("fetched %d chunks", r.FetchedChunks)
	}
	if diff := mustVerify(t, options(tm, d, false)); !diff.None() {
		t.Error(diff.Summary())
	}
}

func piecesOf(e manifest.Entry) int64 {
	var n int64
	for _, p := range e.Pieces {
		n += int64(p.Length)
	}
	return n
}

func TestAChunkWithAnExceptionIsProvenWhoeverVouchesForIt(t *testing.T) {
	tm, d := restored(t)
	i, e := dataEntry(t, tm.m, 0)
	o := options(tm, d, false)
	o.Exceptions = []job.Exception{exceptionOf(e.Pieces[0].Offset+10, []byte("poste-7"))}
	o.Vouched = word{m: tm.m, entries: map[int]bool{i: true}, read: map[int]bool{i: true}}
	if r := mustRun(t, o); r.VouchedChunks != 0 || r.WrittenBytes == 0 {
		t.Errorf("%+v", r)
	}
	o.Vouched = nil
	if diff := mustVerify(t, o); !diff.None() {
		t.Error(diff.Summary())
	}
}

func exceptionOf(off int64, b []byte) job.Exception {
	return job.Exception{Offset: off, Length: int64(len(b)), Hash: chunk.Of(b).String(), Content: b}
}

func TestNobodyVouchesBesideACarousel(t *testing.T) {
	tm, d := restored(t)
	o := receiving(options(tm, d, false), tm, 1)
	o.Vouched = word{m: tm.m}
	_, err := restore.Run(context.Background(), o)
	var invalid *restore.InvalidError
	if !errors.As(err, &invalid) {
		t.Errorf("%v", err)
	}
}

// trimming is a disk that forgets what is discarded.
type trimming struct {
	*memDisk
	lost  []manifest.Extent
	early bool
	fails error
	clean func() bool
}

func (d *trimming) Discard(off, n int64) error {
	if d.fails != nil {
		return d.fails
	}
	d.early = d.early || !d.clean()
	d.lost = append(d.lost, manifest.Extent{Offset: off, Length: n})
	d.put(off, make([]byte, n))
	return nil
}

func TestFreeSpaceIsDiscardedAndNothingElse(t *testing.T) {
	tm := school(t, 8*mib, manifest.GPT, 7)
	base := newDisk(400 * mib)
	base.put(0, bytes.Repeat([]byte{0x5a}, 20<<20))
	d := &trimming{memDisk: base}
	d.clean = func() bool {
		diff, _, err := restore.Verify(context.Background(), options(tm, base, false))
		return err == nil && diff.None()
	}
	own := []job.Exception{exceptionOf(tm.m.Volumes[2].Start+3900*kib, []byte("in free space"))}
	o := options(tm, base, true)
	o.Target, o.Discard, o.Exceptions = d, true, own
	r := mustRun(t, o)
	var lost int64
	for _, e := range d.lost {
		lost += e.Length
		inside := false
		for _, v := range tm.m.Volumes {
			inside = inside || v.Partition > 0 && v.Start <= e.Offset && e.End() <= v.Start+v.Length
		}
		if !inside {
			t.Errorf("byte %d to %d lies in no volume", e.Offset, e.End())
		}
	}
	if d.early || lost == 0 || lost != r.DiscardedBytes {
		t.Errorf("discarded %d bytes, reported %d, before the disk was proven: %v", lost, r.DiscardedBytes, d.early)
	}
	var free int64
	for _, v := range tm.m.Volumes[1:] {
		free += v.Length - v.Used
	}
	if free-lost > 64*kib { // what lies in pages that are used in part
		t.Errorf("%d of %d free bytes were left", free-lost, free)
	}
	if diff := mustVerify(t, o); !diff.None() {
		t.Errorf("after discarding: %s", diff.Summary())
	}
	for _, e := range tm.m.DontCare {
		have := make([]byte, e.Length)
		_, _ = base.ReadAt(have, e.Offset)
		if !bytes.Equal(have, bytes.Repeat([]byte{0x5a}, len(have))) {
			t.Errorf("what nobody cares about at byte %d was touched", e.Offset)
		}
	}
	if openArdoise(t, base) == nil {
		t.Error("ARDOISE is lost")
	}
	d.fails = errors.New("no")
	if _, err := restore.Run(context.Background(), o); !errors.Is(err, d.fails) {
		t.Errorf("%v", err)
	}
}
