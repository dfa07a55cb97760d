package restore

import (
	"cmp"
	"math/bits"
	"slices"
	"sort"
	"sync"

	"github.com/ardoise/ardoise/imaging/disk/sweep"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/manifest"
)

// vouch makes a run believe Options.Vouched: only Run does.
func (r *run) vouch() {
	if r.o.Vouched == nil {
		return
	}
	r.vouched, r.report.Level = r.o.Vouched, job.LevelQuick
	for i, e := range r.m.Chunks.All() {
		if r.isVouched(uint32(i)) {
			r.report.VouchedChunks++
			r.report.VouchedBytes += onDisk(e)
		}
	}
	for _, f := range r.m.Fills {
		r.report.VouchedBytes += f.Length
	}
	for _, f := range r.fillsToRead() {
		r.report.VouchedBytes -= f.Length
	}
}

// isVouched tells whether entry i is never read. One with an exception inside is proven always.
func (r *run) isVouched(i uint32) bool {
	if r.vouched == nil {
		return false
	}
	if _, patched := r.patched[i]; patched {
		return false
	}
	return r.vouched.Entry(int(i))
}

// passes tells whether a scan passes over entry i: what nobody vouches for and nobody has read before Run it reads.
func (r *run) passes(i uint32) bool {
	if r.vouched == nil {
		return false
	}
	if r.isVouched(i) {
		return true
	}
	done, _ := r.readBefore(i)
	return done
}

// written is what of the entries and fills was written: what differed, and what lies on a head that was broken.
func (r *run) written(f *findings) scope {
	broken := func(off, n int64) bool {
		k := sort.Search(len(r.held), func(k int) bool { return r.held[k].End() > off })
		return k < len(r.held) && r.held[k].Offset < off+n
	}
	s := scope{fills: slices.Clone(f.fills), skip: func(i uint32) bool {
		return !f.differs(i) && !slices.ContainsFunc(r.m.Chunks.At(int(i)).Pieces, func(p manifest.Piece) bool {
			return broken(p.Offset, int64(p.Length))
		})
	}}
	for _, x := range r.m.Fills {
		for _, h := range r.held {
			part := x
			part.Offset = max(x.Offset, h.Offset)
			if part.Length = min(x.End(), h.End()) - part.Offset; part.Length > 0 {
				s.fills = append(s.fills, part)
			}
		}
	}
	slices.SortFunc(s.fills, func(a, b manifest.Fill) int { return cmp.Compare(a.Offset, b.Offset) })
	apart := s.fills[:0]
	end := int64(0)
	for _, x := range s.fills {
		if cut := max(0, end-x.Offset); cut < x.Length {
			x.Offset, x.Length = x.Offset+cut, x.Length-cut
			apart, end = append(apart, x), x.End()
		}
	}
	s.fills = apart
	return s
}

// readBefore tells whether entry i was read before Run, what was found then, and nothing else has happened since.
func (r *run) readBefore(i uint32) (done, equal bool) {
	if r.dirty.Load() {
		return false, false
	}
	if _, patched := r.patched[i]; patched {
		return false, false
	}
	return r.vouched.Read(int(i))
}

// takeRead enters into f what was read before Run and found to differ.
func (r *run) takeRead(f *findings) {
	if r.vouched == nil || r.dirty.Load() {
		return
	}
	for i := range uint32(r.m.Chunks.Len()) {
		if done, equal := r.readBefore(i); done && !equal && !r.isVouched(i) {
			f.entries[i/64] |= 1 << (i % 64)
			f.count++
		}
	}
}

// foundAtMost is of how many entries it is kept what the disk held instead: 8 MiB.
const foundAtMost = 16 << 10

// found is what the disk held of entries that differ. After a lesson most of a document is still as it was: only the pages
// that are not are written.
type found struct {
	mu    sync.Mutex
	pages map[uint32]*sweep.Sums
}

// keepFound keeps what the disk holds of an entry, as long as nothing has been written. into has room for a chunk.
func (r *run) keepFound(f *sweep.Found, into []byte) {
	if r.vouched == nil || r.dirty.Load() {
		return
	}
	sums := sweep.SumsOf(f.Content(into))
	k := &r.found
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.pages == nil {
		k.pages = map[uint32]*sweep.Sums{}
	}
	if len(k.pages) < foundAtMost {
		k.pages[f.Index] = &sums
	}
}

// kept returns which pages of entry i differ, and what they should hold, where somebody has that at hand.
func (r *run) kept(i uint32) (differ uint64, want []byte, ok bool) {
	k, keeps := r.vouched.(Keeper)
	if _, patched := r.patched[i]; patched || !keeps {
		return 0, nil, false
	}
	differ, want, ok = k.Pages(int(i))
	return differ, want, ok && want != nil
}

// spread puts pages that lie one behind the other to their places in content.
func spread(content []byte, pages uint64, from []byte) bool {
	for ; pages != 0; pages &= pages - 1 {
		at := bits.TrailingZeros64(pages) * sweep.PageSize
		n := min(sweep.PageSize, len(content)-at)
		if n <= 0 || len(from) < n {
			return false
		}
		from = from[copy(content[at:at+n], from):]
	}
	return len(from) == 0
}

// fillsToRead returns the fills that nobody vouches for, or their parts.
func (r *run) fillsToRead() []manifest.Fill {
	if r.vouched == nil {
		return r.m.Fills
	}
	var out []manifest.Fill
	for k, f := range r.m.Fills {
		for _, e := range r.vouched.Fill(k) {
			part := f
			part.Offset, part.Length = max(e.Offset, f.Offset), 0
			part.Length = min(e.End(), f.End()) - part.Offset
			if part.Length > 0 {
				out = append(out, part)
			}
		}
	}
	return out
}
