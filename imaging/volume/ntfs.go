package volume

import (
	"errors"
	"fmt"

	"github.com/ardoise/ardoise/imaging/volume/ntfs"
	"github.com/ardoise/ardoise/masters/manifest"
)

// ntfsVolume gives the clusters of NTFS their class and their stream. It goes through the file table twice, in its order:
// once to give each cluster its owner, and once for the streams.
type ntfsVolume struct {
	*ntfs.Volume
	p      *pager
	left   *bitset // allocated clusters that no stream, fill or don't-care owns: in the end the metadata
	meta   *bitset // clusters known to be metadata; nil after the first pass
	bad    []Extent
	fills  []Fill
	unread []Extent // don't-care
	hive   uint64   // record of the file with Windows' settings; 0: none was met
}

// pagedReader reads a lot at once past the cache, and little through it.
type pagedReader struct{ p *pager }

func (r pagedReader) ReadAt(b []byte, off int64) (int, error) {
	read := r.p.read
	if len(b) >= pageSize {
		read = r.p.direct
	}
	if err := read(b, off); err != nil {
		return 0, err
	}
	return len(b), nil
}

func readNTFS(p *pager, _ []byte) (*Layout, error) {
	v, err := ntfs.Open(pagedReader{p}, p.size)
	if err != nil {
		return nil, ntfsDoubt(err, manifest.Raw)
	}
	n := &ntfsVolume{Volume: v, p: p}
	info, err := v.Info()
	if err != nil {
		return nil, ntfsDoubt(err, manifest.Raw)
	}
	l := &Layout{Kind: "ntfs", Order: manifest.ByFile, Unit: int(v.Cluster), Label: info.Label,
		UUID: fmt.Sprintf("%016X", v.Serial), Heads: n.heads()}
	err = n.state(info)
	if err == nil {
		err = n.prepare()
	}
	if err != nil {
		return n.stepBack(l, err)
	}
	l.Used = n.used()
	err = n.claimAll()
	l.Advice = n.advice()
	if err != nil {
		return n.stepBack(l, err)
	}
	n.meta = nil
	l.Fills, l.DontCare = n.fills, joined(n.unread)
	l.walk = n.streams
	return l, nil
}

// ntfsDoubt turns damage into a doubt; other errors stay.
func ntfsDoubt(err error, order manifest.Order) error {
	var damage *ntfs.DamageError
	if errors.As(err, &damage) {
		return &doubt{order: order, why: damage.What}
	}
	return err
}

// heads is the boot sector and its copy, which lies behind the volume. Of a partition that is larger, firmware and
// Windows may find another copy in the last sector: it is left, since the first sector decides.
func (n *ntfsVolume) heads() []Extent {
	return clip(n.p.size, Extent{0, 512}, Extent{n.Backup(), 512})
}

// Hints for the states in which Windows leaves a volume.
const (
	ntfsShutdown = "in Windows, switch fast startup and hibernation off (powercfg /h off), then shut down with: shutdown /s /t 0"
	ntfsReplay   = "start Windows once so that it finishes them, then shut down with: shutdown /s /t 0"
	ntfsCheck    = "start Windows, run chkdsk /f on it, then shut down with: shutdown /s /t 0"
)

// state refuses a volume that was not unmounted, in the words of each of the ways in which that happens. Hibernation is
// looked for on the way through the file table.
func (n *ntfsVolume) state(info ntfs.Info) error {
	log, err := n.Log()
	if err != nil {
		return ntfsDoubt(err, manifest.Raw)
	}
	why, hint := "", ""
	switch not := info.Flags & (ntfs.VolumeDirty | ntfs.VolumeChkdskRunning | ntfs.VolumeChkdskChanged); {
	case log == ntfs.LogCached:
		why, hint = "was left by fast startup, hibernation or a power cut, with changes that Windows keeps elsewhere", ntfsShutdown
	case not != 0:
		why, hint = fmt.Sprintf("is marked dirty (flags %#04x)", info.Flags), ntfsCheck
	case log == ntfs.LogPending:
		why, hint = "has changes in its journal that were never made", ntfsReplay
	case log == ntfs.LogUnknown:
		why, hint = "has a journal that is not understood", ntfsCheck
	default:
		return nil
	}
	return &RefusedError{Kind: "NTFS", Why: why, Hint: hint}
}

// prepare reads what is allocated and what is bad.
func (n *ntfsVolume) prepare() error {
	n.left = newBitset(uint64(n.Clusters))
	err := n.Bitmap(func(first int64, bits []byte) error {
		for i, c := range bits {
			at := uint64(first) + 8*uint64(i)
			n.left.words[at/64] |= uint64(c) << (at % 64)
		}
		return nil
	})
	if err != nil {
		return ntfsDoubt(err, manifest.Raw)
	}
	n.left.clearBehind()
	bad, err := n.BadClusters()
	if err != nil {
		return ntfsDoubt(err, manifest.Raw)
	}
	n.bad = nil
	for _, r := range bad {
		if !n.left.all(uint64(r.LCN), uint64(r.Count)) {
			return notTrusted("the bitmap calls bad clusters free, or they are listed twice")
		}
		n.left.clearRange(uint64(r.LCN), uint64(r.Count))
		n.bad = append(n.bad, Extent{r.LCN * n.Cluster, r.Count * n.Cluster})
	}
	return nil
}

// used is the number of bytes in use, before streams take theirs.
func (n *ntfsVolume) used() int64 {
	used := int64(n.left.count(0, n.left.n))*n.Cluster + n.p.size - n.End()
	for _, e := range n.bad {
		used += e.Length
	}
	return used
}

// claimAll gives every cluster its owner. A doubt does not end it: a hibernated volume is refused all the same.
func (n *ntfsVolume) claimAll() error {
	n.meta = newBitset(n.left.n)
	n.fills, n.unread = nil, append([]Extent(nil), n.bad...)
	var first error
	err := n.Files(func(f *ntfs.File, damage error) error {
		if err := n.checkHibernation(f, damage); err != nil {
			return err
		}
		if damage == nil && n.isSystemHive(f) {
			n.hive = f.Number
		}
		err := ntfsDoubt(damage, manifest.ByPosition)
		if err == nil && first == nil {
			err = n.claimFile(f)
		}
		var d *doubt
		if err != nil && !errors.As(err, &d) {
			return err
		}
		if first == nil {
			first = err
		}
		return nil
	})
	if err != nil {
		return ntfsDoubt(err, manifest.ByPosition)
	}
	return first
}

// checkHibernation refuses a volume whose root has a hiberfil.sys with a sleeping system, or one too short to hold any,
// which is what a volume beside the one of a sleeping Windows has.
func (n *ntfsVolume) checkHibernation(f *ntfs.File, damage error) error {
	if !f.InRoot("hiberfil.sys") || damage != nil {
		return nil
	}
	a := f.Find(ntfs.TypeData, "")
	if a == nil {
		return nil
	}
	b := make([]byte, ntfs.HibernationHeader)
	if a.Size >= int64(len(b)) {
		if err := n.ReadAttribute(a, b, 0); err != nil {
			return err
		}
		if !ntfs.Hibernated(b) {
			return nil
		}
	}
	return &RefusedError{Kind: "NTFS", Why: "holds a hibernated Windows (hiberfil.sys)",
		Hint: "start that Windows; " + ntfsShutdown}
}

// role is what a non-resident attribute is to a capture.
type role int

const (
	roleMetadata role = iota
	roleStream
	roleSystemStream // kept to its last cluster
	rolePaging       // page, swap and hibernation files
	roleJournal
	roleBad
)

func roleOf(f *ntfs.File, a *ntfs.Attribute) role {
	if a.Type != ntfs.TypeData {
		return roleMetadata
	}
	switch f.Number {
	case ntfs.RecordMFT:
		return roleSystemStream
	case ntfs.RecordMirror, ntfs.RecordBitmap, ntfs.RecordBoot, ntfs.RecordVolume:
		return roleMetadata
	case ntfs.RecordLogFile:
		return roleJournal
	case ntfs.RecordBadClus:
		if a.Name == ntfs.BadStream {
			return roleBad
		}
	}
	switch {
	case a.Name == "" && (f.InRoot("pagefile.sys") || f.InRoot("swapfile.sys") || f.InRoot("hiberfil.sys")):
		return rolePaging
	case f.Number < ntfs.FirstUserFile || a.Flags&(ntfs.FlagCompressed|ntfs.FlagEncrypted) != 0:
		return roleSystemStream
	}
	return roleStream
}

// ntfsWiped is how much of a page, swap or hibernation file is filled: enough that nothing takes it for a system that
// sleeps.
const ntfsWiped = 64 << 10

// claimFile gives the clusters of one file their owner.
func (n *ntfsVolume) claimFile(f *ntfs.File) error {
	for i := range f.Attributes {
		a := &f.Attributes[i]
		if a.Resident {
			continue
		}
		what := roleOf(f, a)
		if what == roleBad {
			continue // prepare has them
		}
		keep := n.keptClusters(what, a)
		for _, r := range a.Runs {
			if r.LCN < 0 {
				continue
			}
			if err := n.claim(f, what, r); err != nil {
				return err
			}
			off, in := r.LCN*n.Cluster, r.VCN*n.Cluster
			switch what {
			case roleJournal:
				n.fills = append(n.fills, Fill{Extent: Extent{off, r.Count * n.Cluster}, Byte: 0xff})
			case rolePaging:
				n.wipe(off, in, r.Count*n.Cluster)
			case roleStream:
				if from := max(r.VCN, keep); from < r.VCN+r.Count {
					n.unread = append(n.unread, Extent{(r.LCN + from - r.VCN) * n.Cluster, (r.VCN + r.Count - from) * n.Cluster})
				}
			}
		}
	}
	return nil
}

// wipe fills what of a run lies in the first bytes of its file; the rest is don't-care. The run lies at off of the volume
// and at in of the file.
func (n *ntfsVolume) wipe(off, in, length int64) {
	fill := min(max(ntfsWiped-in, 0), length)
	if fill > 0 {
		n.fills = append(n.fills, Fill{Extent: Extent{off, fill}})
	}
	if fill < length {
		n.unread = append(n.unread, Extent{off + fill, length - fill})
	}
}

// claim gives one run its owner.
func (n *ntfsVolume) claim(f *ntfs.File, what role, r ntfs.Run) error {
	at, count := uint64(r.LCN), uint64(r.Count)
	if n.meta.any(at, count) || !n.left.all(at, count) {
		return n.conflict(f, at, count)
	}
	if what == roleMetadata {
		n.meta.setRange(at, count)
	} else {
		n.left.clearRange(at, count)
	}
	return nil
}

// conflict says what is wrong with clusters that could not be claimed.
func (n *ntfsVolume) conflict(f *ntfs.File, at, count uint64) error {
	again := &ntfsVolume{Volume: n.Volume, p: n.p}
	if err := again.prepare(); err != nil {
		return err
	}
	if !again.left.all(at, count) {
		return notTrusted("record %d uses clusters that the bitmap calls free or bad", f.Number)
	}
	return notByFile("clusters of record %d belong to something else too", f.Number)
}

// keptClusters is the number of clusters from the start of a stream that are kept. Clusters behind the end of a file, or
// behind what was ever written of it, are don't-care: NTFS reads zeros there whatever they hold.
func (n *ntfsVolume) keptClusters(what role, a *ntfs.Attribute) int64 {
	if what == roleStream {
		return (a.Valid + n.Cluster - 1) / n.Cluster
	}
	return a.Clusters()
}

// stepBack describes the volume more coarsely after a doubt.
func (n *ntfsVolume) stepBack(l *Layout, err error) (*Layout, error) {
	var d *doubt
	if !errors.As(err, &d) {
		return nil, err
	}
	r := rawLayout(l.Kind, n.p.size, d.why, l.Heads)
	r.Label, r.UUID, r.Advice = l.Label, l.UUID, l.Advice
	if d.order != manifest.ByPosition {
		return r, nil
	}
	if err := n.prepare(); err != nil { // again: the first one was spent on owners
		return r, nil
	}
	r.Order, r.Unit, r.Used, r.DontCare = manifest.ByPosition, l.Unit, n.used(), joined(n.bad)
	r.walk = func(yield func(Stream) error) error { return yield(n.metadata()) }
	return r, nil
}

func (n *ntfsVolume) metadata() Stream {
	return metadata(n.p.size, blockPieces(n.left, 0, n.Cluster, n.End(), n.p.size, nil))
}

// streams is Layout.Streams: metadata, then files in the order of the file table.
func (n *ntfsVolume) streams(yield func(Stream) error) error {
	if err := yield(n.metadata()); err != nil {
		return err
	}
	return n.Files(func(f *ntfs.File, damage error) error {
		if damage != nil {
			return damage
		}
		path := ""
		for i := range f.Attributes {
			a := &f.Attributes[i]
			what := roleOf(f, a)
			if a.Resident || what != roleStream && what != roleSystemStream || len(a.Runs) == 0 {
				continue
			}
			if path == "" {
				path = n.Path(f)
			}
			s := n.stream(a, what)
			if s.Number, s.Path = f.Number, path; a.Name != "" {
				s.Path += ":" + a.Name
			}
			if err := yield(s); err != nil {
				return err
			}
		}
		return nil
	})
}

// stream describes the data of one stream of a file.
func (n *ntfsVolume) stream(a *ntfs.Attribute, what role) Stream {
	keep := n.keptClusters(what, a)
	s := Stream{Size: a.Size, Length: (a.Size + n.Cluster - 1) / n.Cluster * n.Cluster}
	if what == roleStream {
		s.ZeroTail = true
		if a.Valid < a.Size {
			s.Valid = a.Valid
		}
	} else {
		s.Length = max(s.Length, keep*n.Cluster)
	}
	for _, r := range a.Runs {
		count := min(r.Count, keep-r.VCN)
		if r.LCN < 0 || count <= 0 {
			continue
		}
		p := Piece{At: r.VCN * n.Cluster, Offset: r.LCN * n.Cluster, Length: count * n.Cluster}
		if k := len(s.Pieces) - 1; k >= 0 && s.Pieces[k].At+s.Pieces[k].Length == p.At &&
			s.Pieces[k].Offset+s.Pieces[k].Length == p.Offset {
			s.Pieces[k].Length += p.Length
			continue
		}
		s.Pieces = append(s.Pieces, p)
	}
	return s
}
