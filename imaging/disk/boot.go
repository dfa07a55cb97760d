package disk

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"slices"

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/manifest"
)

// Content is a boot file that belongs on ARDOISE.
type Content struct {
	job.BootFile
	Open func(ctx context.Context) (io.ReadCloser, error) // its bytes, asked for only where the disk has not got them
}

// RoomError says that a boot file cannot be kept.
type RoomError struct {
	Name string
	Size int64 // bytes
	Room int64 // bytes; 0: ARDOISE knows no file of that name
}

// Error implements error.
func (e *RoomError) Error() string {
	if e.Room == 0 {
		return fmt.Sprintf("boot file %s has no place on ARDOISE", e.Name)
	}
	return fmt.Sprintf("boot file %s of %d bytes does not fit into %d", e.Name, e.Size, e.Room)
}

// AlteredError says that the bytes of a boot file are not those that were announced, or not those that were written.
type AlteredError struct {
	Name string
	Read bool // they were read back from the disk
}

// Error implements error.
func (e *AlteredError) Error() string {
	if e.Read {
		return fmt.Sprintf("boot file %s is not what was written", e.Name)
	}
	return fmt.Sprintf("boot file %s is not what was announced", e.Name)
}

// BootFile returns what ARDOISE holds under the name of a boot file: of the generation that counts, or the loader that
// is in use. It is nil where there is nothing.
func (a *Ardoise) BootFile(name string) (*io.SectionReader, error) {
	g, _, err := a.Generation()
	if err != nil {
		return nil, err
	}
	s, err := a.state()
	if err != nil {
		return nil, err
	}
	path, ok := s.pathOf(g, name)
	if !ok || s.size[path] == 0 {
		return nil, nil
	}
	return a.section(path, s.size[path]), nil
}

// HasMenu tells whether the ARDOISE in partition part of r holds a start menu: a generation counts, and the loader that
// leads to it is there. It fails with *NoArdoiseError.
func HasMenu(r io.ReaderAt, part manifest.Partition) (bool, error) {
	a, err := OpenArdoise(readOnly{r}, part)
	if err != nil || a.layout != Layout {
		return false, err
	}
	menu, err := a.BootFile(MenuFile)
	if err != nil || menu == nil {
		return false, err
	}
	loader, err := a.BootFile("shimx64.efi")
	return loader != nil, err
}

// DropMenu makes no generation count: nothing starts from ARDOISE any more, but its files stay. It tells whether anything
// was written.
func (a *Ardoise) DropMenu() (changed bool, err error) {
	g, readable, err := a.Generation()
	if err != nil || g == NoGeneration && readable {
		return false, err
	}
	return true, a.storeSmall("ARDOISE/"+fileGeneration, encodeEnv("gen", noGeneration))
}

// pathOf returns the room in which a boot file lies: the loader in use, or the file of a generation.
func (s state) pathOf(g Generation, name string) (string, bool) {
	for _, l := range loaders() {
		if l.boot == name {
			return s.room(l.folder, l.name), true
		}
	}
	for _, k := range generationFiles() {
		if k.boot == name && g != NoGeneration {
			return "ARDOISE/" + string(g) + "/" + k.name, true
		}
	}
	return "", false
}

func (a *Ardoise) section(path string, n int64) *io.SectionReader {
	f, _ := a.find(path)
	return io.NewSectionReader(a.d, a.place(f), n)
}

// state reads the folders. What makes no sense is taken for an empty file: Keep writes it anew.
func (a *Ardoise) state() (state, error) {
	s := freshState()
	for _, f := range folders() {
		b, err := a.readFolder(f)
		if err != nil {
			return s, err
		}
		for _, e := range files() {
			if e.folder != f.path || e.fixed > 0 {
				continue
			}
			first, size, ok := lookUp(b, e.name)
			path := e.path()
			if twin, isLoader := twinOf(e); isLoader && ok && size > 0 && first == firstOf(twin) {
				path = twin
				if isLoaderName(e) {
					s.old[e.path()] = true
				}
			}
			if ok && first == firstOf(path) && size <= int64(e.room)*cluster {
				s.size[path] = size
			}
		}
	}
	return s, nil
}

func (a *Ardoise) readFolder(f folder) ([]byte, error) {
	if a.layout != Layout {
		return nil, &NoArdoiseError{"it is of an older layout"}
	}
	b := make([]byte, cluster)
	if err := readFull(a.d, b, a.start+a.g.at(f.number)); err != nil {
		return nil, fmt.Errorf("reading folder %q of ARDOISE: %w", f.path, err)
	}
	return b, nil
}

// twinOf returns the other room of a loader.
func twinOf(f file) (path string, ok bool) {
	for _, l := range loaders() {
		switch {
		case l.folder == f.folder && l.name == f.name:
			return l.folder + "/" + l.spare, true
		case l.folder == f.folder && l.spare == f.name:
			return l.folder + "/" + l.name, true
		}
	}
	return "", false
}

func isLoaderName(f file) bool {
	return slices.ContainsFunc(loaders(), func(l loaderKind) bool { return l.folder == f.folder && l.name == f.name })
}

// lookUp finds a file in a folder's cluster.
func lookUp(b []byte, name string) (first uint32, size int64, ok bool) {
	want := shortName(name)
	for e := b; len(e) >= 32 && e[0] != 0; e = e[32:] {
		if string(e[:11]) == want && e[11]&attributeLong != attributeLong && e[11]&(attributeFolder|attributeLabel) == 0 {
			return uint32(le16(e[20:]))<<16 | uint32(le16(e[26:])), int64(le32(e[28:])), true
		}
	}
	return 0, 0, false
}

func le16(b []byte) uint16 { return uint16(b[0]) | uint16(b[1])<<8 }
func le32(b []byte) uint32 { return uint32(le16(b)) | uint32(le16(b[2:]))<<16 }

// Keep makes ARDOISE hold want: menu, kernel and both stages as one generation, loaders as they come. It compares what
// is there by hash and writes only what differs; it tells whether anything was written. Cut at any write, the set that
// counted before starts, or the new one.
//
//  1. folders and tables are repaired
//  2. loaders: the new one into the room that is not in use, flush, read back, table, flush; the folder's sector, flush
//  3. generation: content into the one that does not count, flush, read back, table, folder, flush; GEN, flush
func (a *Ardoise) Keep(ctx context.Context, want []Content) (changed bool, err error) {
	if err := a.fits(want); err != nil {
		return false, err
	}
	s, err := a.state()
	if err != nil {
		return false, err
	}
	k := keeper{a: a, s: s}
	if err := k.repair(); err != nil {
		return k.changed, fmt.Errorf("repairing ARDOISE: %w", err)
	}
	if err := k.keepLoaders(ctx, want); err != nil {
		return k.changed, fmt.Errorf("writing the loaders of ARDOISE: %w", err)
	}
	if err := k.keepGeneration(ctx, want); err != nil {
		return k.changed, fmt.Errorf("writing the boot files of ARDOISE: %w", err)
	}
	return k.changed, nil
}

// Knows tells whether ARDOISE has a place for a boot file of that name.
func Knows(name string) bool {
	_, ok := freshState().pathOf(A, name)
	return ok
}

// fits refuses what has no room before anything is written.
func (a *Ardoise) fits(want []Content) error {
	for _, c := range want {
		path, ok := freshState().pathOf(A, c.Name)
		f, _ := a.find(path)
		if !ok || c.Size <= 0 || c.Size > int64(f.room)*cluster {
			return &RoomError{c.Name, c.Size, int64(f.room) * cluster}
		}
	}
	return nil
}

// keeper is one run of Keep.
type keeper struct {
	a       *Ardoise
	s       state
	changed bool
}

// write writes b unless it is there already.
func (k *keeper) write(b []byte, off int64) error {
	have := make([]byte, len(b))
	if err := readFull(k.a.d, have, off); err == nil && bytes.Equal(have, b) {
		return nil
	}
	k.changed = true
	_, err := k.a.d.WriteAt(b, off)
	return err
}

// repair makes folders and tables what they were made as, with the lengths that are there.
func (k *keeper) repair() error {
	before := k.changed
	for number, entries := range k.s.fat() {
		if err := k.writeTable(number, entries); err != nil {
			return err
		}
	}
	for _, f := range folders() {
		if err := k.repairFolder(f); err != nil {
			return err
		}
	}
	if k.changed == before {
		return nil
	}
	return k.a.d.Flush()
}

// repairFolder rewrites a folder. In the root and in EFI others may have files: these stay while ours are there.
func (k *keeper) repairFolder(f folder) error {
	want := k.s.folder(f)
	if f.path == "" || f.path == "EFI" {
		have, err := k.a.readFolder(f)
		if err != nil {
			return err
		}
		whole := true
		for e := want; e[0] != 0; e = e[32:] {
			whole = whole && holdsEntry(have, e[:32])
		}
		if whole {
			return nil
		}
	}
	return k.write(want, k.a.start+k.a.g.at(f.number))
}

// holdsEntry looks for an entry of the same name, kind and place.
func holdsEntry(have, want []byte) bool {
	for e := have; len(e) >= 32 && e[0] != 0; e = e[32:] {
		if bytes.Equal(e[:12], want[:12]) && bytes.Equal(e[20:22], want[20:22]) && bytes.Equal(e[26:28], want[26:28]) {
			return true
		}
	}
	return false
}

// writeTable writes a run of entries into both tables, in whole physical sectors, of which only those that differ. The
// root's own entry is left as it is: others may have made that folder longer.
func (k *keeper) writeTable(number uint32, entries []byte) error {
	if number == 2 {
		return nil
	}
	for i := range int64(2) {
		base := k.a.start + k.a.g.reserved + i*k.a.g.fat
		lo := base + 4*int64(number)
		for done := 0; done < len(entries); {
			at := lo + int64(done)
			n := min(len(entries)-done, int((at/physical+1)*physical-at))
			if err := k.write(entries[done:done+n], at); err != nil {
				return err
			}
			done += n
		}
	}
	return nil
}

// right tells whether a room holds a file.
func (k *keeper) right(path string, c job.BootFile) (bool, error) {
	if k.s.size[path] != c.Size {
		return false, nil
	}
	return k.holds(path, c)
}

// holds tells whether the bytes of a room are those of a file, whatever the folder says.
func (k *keeper) holds(path string, c job.BootFile) (bool, error) {
	h := blake3.New()
	if _, err := io.CopyBuffer(h, struct{ io.Reader }{k.placed(path, c.Name, c.Size)}, make([]byte, 1<<20)); err != nil {
		return false, nil // a sector that cannot be read is written
	}
	return hex.EncodeToString(h.Sum(nil)) == c.Hash, nil
}

// put writes a file's bytes into a room, unless they are there.
func (k *keeper) put(ctx context.Context, path string, c Content) (err error) {
	if same, err := k.holds(path, c.BootFile); err != nil || same {
		return err
	}
	src, err := c.Open(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Name, err)
	}
	defer func() {
		if e := src.Close(); err == nil {
			err = e
		}
	}()
	f, _ := k.a.find(path)
	h, buf, at := blake3.New(), make([]byte, 1<<20), k.a.place(f)
	for left := c.Size; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(left, int64(len(buf)))
		if _, err := io.ReadFull(src, buf[:n]); err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
		_, _ = h.Write(buf[:n])
		if left == c.Size {
			k.settle(path, c.Name, buf[:n])
		}
		padded := int(physicalUp(n))
		clear(buf[n:padded])
		k.changed = true
		if _, err := k.a.d.WriteAt(buf[:padded], at); err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
		left, at = left-n, at+n
	}
	if hex.EncodeToString(h.Sum(nil)) != c.Hash {
		return &AlteredError{Name: c.Name}
	}
	return nil
}

// dropper is a device that can forget what it has in memory, so that reading asks the medium.
type dropper interface{ Drop() error }

// prove flushes what was written and reads it back from the medium.
func (k *keeper) prove(rooms map[string]job.BootFile) error {
	if err := k.a.d.Flush(); err != nil {
		return err
	}
	if d, ok := k.a.d.(dropper); ok {
		if err := d.Drop(); err != nil {
			return err
		}
	}
	for path, c := range rooms {
		if same, err := k.holds(path, c); err != nil {
			return err
		} else if !same {
			return &AlteredError{Name: c.Name, Read: true}
		}
	}
	return nil
}

// keepLoaders writes the loaders that differ.
func (k *keeper) keepLoaders(ctx context.Context, want []Content) error {
	rooms := map[string]job.BootFile{}
	next := state{k.s.size, map[string]bool{}}
	for _, l := range loaders() {
		name := l.folder + "/" + l.name
		next.old[name] = k.s.old[name]
		i := slices.IndexFunc(want, func(c Content) bool { return c.Name == l.boot })
		if i < 0 {
			continue
		}
		if same, err := k.right(k.s.room(l.folder, l.name), want[i].BootFile); err != nil || same {
			if err != nil {
				return err
			}
			continue
		}
		spare := k.s.room(l.folder, l.spare)
		if err := k.put(ctx, spare, want[i]); err != nil {
			return err
		}
		rooms[spare] = want[i].BootFile
		next.old[name] = spare == l.folder+"/"+l.spare
	}
	if len(rooms) == 0 {
		return nil
	}
	if err := k.prove(rooms); err != nil {
		return err
	}
	if err := k.lengths(rooms); err != nil {
		return err
	}
	k.s.old = next.old
	for _, f := range folders() {
		if slices.ContainsFunc(loaders(), func(l loaderKind) bool { return l.folder == f.path }) {
			if err := k.writeSector(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeSector writes the one sector of a folder in which its entries are, and returns when it is durable. A drive writes
// a sector whole: that is the moment from which the loader is another.
func (k *keeper) writeSector(f folder) error {
	if err := k.write(k.s.folder(f)[:512], k.a.start+k.a.g.at(f.number)); err != nil {
		return err
	}
	return k.a.d.Flush()
}

// lengths notes how long files in rooms are, and tells the tables.
func (k *keeper) lengths(rooms map[string]job.BootFile) error {
	for path, c := range rooms {
		f, _ := k.a.find(path)
		k.s.size[path] = c.Size
		if err := k.writeTable(f.first, f.chain(c.Size)); err != nil {
			return err
		}
	}
	return k.a.d.Flush()
}

// keepGeneration writes the other generation where the one that counts differs, and names it.
func (k *keeper) keepGeneration(ctx context.Context, want []Content) error {
	mine := map[string]Content{}
	for _, c := range want {
		for _, f := range generationFiles() {
			if f.boot == c.Name {
				mine[f.name] = c
			}
		}
	}
	if len(mine) == 0 {
		return nil
	}
	counts, readable, err := k.a.Generation()
	if err != nil {
		return err
	}
	if counts != NoGeneration {
		all := true
		for _, f := range generationFiles() {
			c, wanted := mine[f.name]
			same := !wanted && k.s.size["ARDOISE/"+string(counts)+"/"+f.name] == 0
			if wanted {
				if same, err = k.right("ARDOISE/"+string(counts)+"/"+f.name, c.BootFile); err != nil {
					return err
				}
			}
			all = all && same
		}
		if all && readable {
			return nil
		}
	}
	next := counts.Other()
	rooms := map[string]job.BootFile{}
	for _, f := range generationFiles() {
		path := "ARDOISE/" + string(next) + "/" + f.name
		rooms[path] = mine[f.name].BootFile
		if c, wanted := mine[f.name]; wanted {
			if err := k.put(ctx, path, c); err != nil {
				return err
			}
		} else {
			k.s.size[path] = 0
			delete(rooms, path)
		}
	}
	return k.name(next, rooms)
}

// name makes a generation the one that counts.
func (k *keeper) name(g Generation, rooms map[string]job.BootFile) error {
	if err := k.prove(rooms); err != nil {
		return err
	}
	if err := k.lengths(rooms); err != nil {
		return err
	}
	for _, f := range folders() {
		if f.path == "ARDOISE/"+string(g) {
			if err := k.writeSector(f); err != nil {
				return err
			}
		}
	}
	k.changed = true
	return k.a.storeSmall("ARDOISE/"+fileGeneration, encodeEnv("gen", string(g)))
}
