package disk

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/manifest"
)

// Ardoise is our partition on a disk: a FAT32 that firmware and GRUB can read, in which everything of ours is a file of
// fixed place. It is written in place; only lengths and which of two places counts are told to the file system.
type Ardoise struct {
	slots  map[string]slot
	d      Device
	start  int64 // bytes from the start of the disk
	g      geometry
	layout int
}

// NoArdoiseError says why what lies in a partition is not a whole ARDOISE.
type NoArdoiseError struct{ Reason string }

// Error implements error.
func (e *NoArdoiseError) Error() string { return "partition is no ARDOISE: " + e.Reason }

// Layout returns how a is laid out: Layout, or 1 for one of an older program, which has the slots MARK, KEY, GRANT and
// TRUST and nothing else, and wants to be made anew.
func (a *Ardoise) Layout() int { return a.layout }

// Mark returns the slot of the mark.
func (a *Ardoise) Mark() MarkSlot { return MarkSlot{a.slots["MARK"]} }

// Key returns the slot of the computer's key.
func (a *Ardoise) Key() KeySlot { return KeySlot{a.slots["KEY"]} }

// Grant returns the slot of the standing grant.
func (a *Ardoise) Grant() GrantSlot { return GrantSlot{a.slots["GRANT"]} }

// Trust returns the slot of what was learned from the server.
func (a *Ardoise) Trust() TrustSlot { return TrustSlot{a.slots["TRUST"]} }

// Proofs returns the slot of what resets have proven.
func (a *Ardoise) Proofs() ProofSlot { return ProofSlot{a.slots["PROOF"]} }

// OpenArdoise opens the ARDOISE in partition part of d. It fails with *NoArdoiseError when the partition holds anything
// else or less. Folders and tables are not looked at: Keep repairs them.
func OpenArdoise(d Device, part manifest.Partition) (*Ardoise, error) {
	b := make([]byte, 512)
	if part.Length < int64(len(b)) {
		return nil, &NoArdoiseError{"it is too small"}
	}
	if err := readFull(d, b, part.Start); err != nil {
		return nil, fmt.Errorf("reading the boot sector of ARDOISE: %w", err)
	}
	if !isArdoiseBoot(b) {
		return nil, &NoArdoiseError{"its label is another"}
	}
	g, ok := readGeometry(b, part)
	if !ok {
		return openFirstLayout(d, part)
	}
	a := &Ardoise{slots: map[string]slot{}, d: d, start: part.Start, g: g, layout: Layout}
	for _, k := range slotKinds() {
		f, _ := a.find("ARDOISE/" + k.file)
		a.slots[k.file] = slot{kind: k, d: d, offset: physicalUp(a.place(f))}
	}
	return a, nil
}

// place returns where a file begins, in bytes from the start of the disk.
func (a *Ardoise) place(f file) int64 { return a.start + a.g.at(f.first) }

// find returns the file whose room is called path.
func (a *Ardoise) find(path string) (file, bool) {
	all := files()
	i := slices.IndexFunc(all, func(f file) bool { return f.path() == path })
	if i < 0 {
		return file{}, false
	}
	return all[i], true
}

// MakeOptions says what a new ARDOISE begins with.
type MakeOptions struct {
	Serial uint32    // FAT volume serial number; random by choice of the caller
	Carry  *Ardoise  // an older one whose slots go on, but for the mark; nil = none
	Mark   *job.Mark // stands from the beginning; nil = none
}

// MakeArdoise makes an ARDOISE in the partition part of d, whose logical sectors have the given size in bytes. What lay
// there is lost. The boot sectors are cleared first and written last, so that it is whole or not there. It holds no boot
// files yet.
func MakeArdoise(d Device, part manifest.Partition, sector int, o MakeOptions) (*Ardoise, error) {
	kept, err := carried(o.Carry)
	if err != nil {
		return nil, err
	}
	mem, err := formatArdoise(part.Length, sector, o.Serial, part.Start/int64(sector))
	if err != nil {
		return nil, err
	}
	a, err := OpenArdoise(mem, manifest.Partition{Length: part.Length})
	if err != nil {
		return nil, err
	}
	for name, content := range kept {
		if err := a.slots[name].store(content); err != nil {
			return nil, err
		}
	}
	if o.Mark != nil {
		if err := a.slots["MARK"].storeJSON(o.Mark); err != nil {
			return nil, err
		}
	}
	if err := writeArdoise(d, part.Start, mem, 8*int64(sector)); err != nil {
		return nil, fmt.Errorf("making ARDOISE: %w", err)
	}
	return OpenArdoise(d, part)
}

// carried reads what goes on from an older ARDOISE. A damaged slot has nothing that could.
func carried(old *Ardoise) (map[string][]byte, error) {
	kept := map[string][]byte{}
	if old == nil {
		return kept, nil
	}
	for name, s := range old.slots {
		content, _, _, err := s.load()
		if _, damaged := err.(*DamagedSlotError); err != nil && !damaged {
			return nil, err
		}
		if name != "MARK" && len(content) > 0 {
			kept[name] = slices.Clone(content)
		}
	}
	return kept, nil
}

// writeArdoise copies mem to d: everything behind the boot sectors (the first head bytes), then these.
func writeArdoise(d Device, at int64, mem *memory, head int64) error {
	if _, err := d.WriteAt(make([]byte, head), at); err != nil {
		return err
	}
	if err := d.Flush(); err != nil {
		return err
	}
	for _, run := range mem.runs(64) {
		skip := max(0, min(int64(len(run.Bytes)), head-run.Offset))
		if len(run.Bytes[skip:]) == 0 {
			continue
		}
		if _, err := d.WriteAt(run.Bytes[skip:], at+run.Offset+skip); err != nil {
			return err
		}
	}
	if err := d.Flush(); err != nil {
		return err
	}
	boot := make([]byte, head)
	if err := readFull(mem, boot, 0); err != nil {
		return err
	}
	if _, err := d.WriteAt(boot, at); err != nil {
		return err
	}
	return d.Flush()
}

// formatArdoise makes the FAT32 in memory. hidden is the partition's first sector, which BIOS boot code looks at.
func formatArdoise(length int64, sector int, serial uint32, hidden int64) (*memory, error) {
	g, err := layOut(length, sector)
	if err != nil {
		return nil, err
	}
	m := &memory{size: length, pages: map[int64][]byte{}}
	boot, tail := g.bootSector(serial, hidden), make([]byte, g.sector)
	tail[510], tail[511] = 0x55, 0xAA
	for _, base := range []int64{0, 6} { // the copy lies in sector 6
		m.put(base*g.sector, boot)
		m.put((base+1)*g.sector, g.infoSector())
		m.put((base+2)*g.sector, tail)
	}
	s := freshState()
	for i := range int64(2) {
		at := g.reserved + i*g.fat
		m.put(at, make([]byte, g.fat)) // what lay there must not shine through
		for number, entries := range s.fat() {
			m.put(at+4*int64(number), entries)
		}
	}
	for _, f := range folders() {
		m.put(g.at(f.number), s.folder(f))
	}
	for _, f := range files() {
		if f.fixed > 0 {
			m.put(g.at(f.first), make([]byte, int64(f.room)*cluster))
		}
	}
	for _, f := range files() {
		if text, ok := beginning(f.path()); ok {
			m.put(g.at(f.first), text)
		}
	}
	return m, nil
}

// put writes b at off into the image that is being made.
func (m *memory) put(off int64, b []byte) { _, _ = m.WriteAt(b, off) }

// state is what the folders say: how long the files are, and in which of its two rooms a loader lies.
type state struct {
	size map[string]int64 // by the path of the room
	old  map[string]bool  // by the path of the loader: it lies in the room of the spare
}

func freshState() state {
	s := state{map[string]int64{}, map[string]bool{}}
	for _, f := range files() {
		if f.fixed > 0 {
			s.size[f.path()] = f.fixed
		}
	}
	return s
}

// fat returns what the table says of everything of ours, by the first cluster of each run.
func (s state) fat() map[uint32][]byte {
	m := map[uint32][]byte{0: binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, 0x0FFFFFF8), endOfChain)}
	for _, f := range folders() {
		m[f.number] = binary.LittleEndian.AppendUint32(nil, endOfChain)
	}
	for _, f := range files() {
		m[f.first] = f.chain(s.size[f.path()])
	}
	return m
}

// room returns where the file of a name lies: the loaders' two names change places.
func (s state) room(in, name string) string {
	for _, l := range loaders() {
		if l.folder != in || !s.old[in+"/"+l.name] {
			continue
		}
		switch name {
		case l.name:
			return in + "/" + l.spare
		case l.spare:
			return in + "/" + l.name
		}
	}
	return in + "/" + name
}

// folder makes the one cluster of a folder.
func (s state) folder(f folder) []byte {
	b := make([]byte, 0, cluster)
	if f.path == "" {
		b = append(b, entry(ArdoiseName, attributeLabel, 0, 0)...)
	} else {
		parent := uint32(0) // stands for the root
		for _, p := range folders() {
			if p.path != "" && p.path == parentOf(f.path) {
				parent = p.number
			}
		}
		b = append(b, entry(".", attributeFolder, f.number, 0)...)
		b = append(b, entry("..", attributeFolder, parent, 0)...)
	}
	for _, p := range folders() {
		if p.path != "" && parentOf(p.path) == f.path {
			b = append(b, entry(p.path[len(p.path)-len(lastOf(p.path)):], attributeFolder, p.number, 0)...)
		}
	}
	for _, e := range files() {
		if e.folder != f.path {
			continue
		}
		room := s.room(e.folder, e.name)
		first, size := uint32(0), s.size[room]
		if size > 0 {
			first = firstOf(room)
		}
		b = append(b, entry(e.name, attributeArchive, first, size)...)
	}
	return append(b, make([]byte, cluster-len(b))...)
}

// Attributes of a directory entry.
const (
	attributeLabel   = 0x08
	attributeFolder  = 0x10
	attributeArchive = 0x20
	attributeLong    = 0x0F
)

func firstOf(path string) uint32 {
	for _, f := range files() {
		if f.path() == path {
			return f.first
		}
	}
	return 0
}

func lastOf(path string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			return path[i+1:]
		}
	}
	return path
}

func parentOf(path string) string { return path[:max(0, len(path)-len(lastOf(path))-1)] }
