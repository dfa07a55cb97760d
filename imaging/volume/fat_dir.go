package volume

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf16"
)

const (
	fatMaxDepth   = 128      // paths have at most 260 characters
	fatMaxEntries = 64 << 10 // of one directory (FAT specification, "FAT Directory Structure")
	fatLongName   = 0x0f     // attributes of a part of a long name
	fatVolumeID   = 0x08     // attribute of the volume's label
	fatDirectory  = 0x10     // attribute of a directory
	fatLastPart   = 0x40     // marks the part of a long name that comes first
	fatMaxParts   = 20       // 255 characters in parts of 13
	fatLowerBase  = 0x08     // DIR_NTRes: the name was typed in small letters
	fatLowerExt   = 0x10     // DIR_NTRes: the extension was
)

// codePage850 is what the bytes 0x80 and above of short names mean on a PC of western Europe.
const codePage850 = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀" +
	"ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u00ad±‗¾¶§÷¸°¨·¹³²■\u00a0"

// fatEntry is one name of a directory.
type fatEntry struct {
	name  string
	first uint32 // cluster as the table counts; 0 for none
	size  uint32
	dir   bool
}

// walk calls file for each file in path order.
func (f *fat) walk(file func(e fatEntry, path string) error) error {
	w := &fatWalk{f: f, file: file}
	d := &fatDir{f: f}
	var err error
	if f.width == 32 {
		err = d.readChain(f.rootChain)
	} else {
		err = d.readRoot()
	}
	if err != nil {
		return err
	}
	if d.label != "" {
		f.label = d.label
	}
	return w.entries(d.sorted(), 0)
}

type fatWalk struct {
	f    *fat
	file func(e fatEntry, path string) error
	path []byte
}

func (w *fatWalk) entries(list []fatEntry, depth int) error {
	if depth > fatMaxDepth {
		return notByFile("its directories lie too deep in each other")
	}
	base := len(w.path)
	for _, e := range list {
		w.path = w.path[:base]
		if base > 0 {
			w.path = append(w.path, '/')
		}
		w.path = append(w.path, e.name...)
		if !e.dir {
			if err := w.file(e, string(w.path)); err != nil {
				return err
			}
			continue
		}
		d := &fatDir{f: w.f}
		if err := d.readChain(e.first); err != nil {
			return err
		}
		if err := w.entries(d.sorted(), depth+1); err != nil {
			return err
		}
	}
	w.path = w.path[:base]
	return nil
}

// fatDir reads one directory.
type fatDir struct {
	f     *fat
	list  []fatEntry
	label string
	parts []uint16 // long name so far, its end first in blocks of 13
	next  byte     // number of the part that must follow
	sum   byte     // of the short name that the parts belong to
	count int
}

func (d *fatDir) sorted() []fatEntry {
	slices.SortFunc(d.list, func(a, b fatEntry) int {
		return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.first, b.first))
	})
	return d.list
}

// readRoot reads the root directory of FAT12 and FAT16, which lies in front of the clusters.
func (d *fatDir) readRoot() error {
	b := make([]byte, d.f.rootSize)
	if err := d.f.p.read(b, d.f.root); err != nil {
		return err
	}
	_, err := d.add(b)
	return err
}

func (d *fatDir) readChain(first uint32) error {
	b := make([]byte, d.f.cluster)
	over := false
	return d.f.chain(first, func(_ int64, cluster uint32) (bool, error) {
		if err := d.f.claimDir(cluster); err != nil || over {
			return true, err
		}
		if err := d.f.p.read(b, d.f.data+int64(cluster)*d.f.cluster); err != nil {
			return false, err
		}
		more, err := d.add(b)
		over = !more
		return true, err
	})
}

// add reads the entries of 32 bytes in b; false: the directory ends here.
func (d *fatDir) add(b []byte) (bool, error) {
	for ; len(b) >= 32; b = b[32:] {
		e := b[:32]
		if d.count++; d.count > fatMaxEntries {
			return false, notByFile("it has a directory of more than %d entries", fatMaxEntries)
		}
		attributes := e[11] & 0x3f
		switch {
		case e[0] == 0:
			return false, nil
		case e[0] == 0xe5:
			d.parts = d.parts[:0]
			continue
		case attributes == fatLongName:
			d.part(e)
			continue
		}
		name, long := shortName(e), d.longName(e)
		d.parts = d.parts[:0]
		switch {
		case attributes&fatVolumeID != 0:
			if d.label == "" {
				d.label = cString(e[:11])
			}
			continue
		case name == "." || name == "..":
			continue
		case long != "":
			name = long
		}
		first := uint32(le16(e, 26))
		if d.f.width == 32 {
			first |= uint32(le16(e, 20)) << 16
		}
		d.list = append(d.list, fatEntry{name, first, le32(e, 28), attributes&fatDirectory != 0})
	}
	return true, nil
}

// part takes one part of a long name: number (1), 5 characters, attributes, type, checksum (at 13), 6 characters, first
// cluster (zero), 2 characters. The last part comes first.
func (d *fatDir) part(e []byte) {
	number := e[0]
	if number&fatLastPart != 0 {
		d.parts, d.next, d.sum = d.parts[:0], number&^fatLastPart, e[13]
	}
	if n := number &^ fatLastPart; n == 0 || n != d.next || n > fatMaxParts || e[13] != d.sum {
		d.parts, d.next = d.parts[:0], 0
		return
	}
	d.next--
	var chars []uint16
	for _, r := range [][2]int{{1, 11}, {14, 26}, {28, 32}} {
		for i := r[0]; i < r[1]; i += 2 {
			chars = append(chars, le16(e, i))
		}
	}
	d.parts = append(chars, d.parts...)
}

// longName is the name whose parts stood before entry e; "" where there is none or it belongs to another one.
func (d *fatDir) longName(e []byte) string {
	if len(d.parts) == 0 || d.next != 0 {
		return ""
	}
	var sum byte
	for _, c := range e[:11] {
		sum = sum>>1 | sum<<7
		sum += c
	}
	if sum != d.sum {
		return ""
	}
	if i := slices.Index(d.parts, 0); i >= 0 {
		d.parts = d.parts[:i]
	}
	return strings.NewReplacer("/", "?", "\x00", "?").Replace(string(utf16.Decode(d.parts)))
}

// shortName is a name of 8 and 3 characters.
func shortName(e []byte) string {
	base, ext := oem(e[:8]), oem(e[8:11])
	if e[0] == 0x05 { // stands for 0xe5, which would mean deleted
		base = oem(append([]byte{0xe5}, e[1:8]...))
	}
	if e[12]&fatLowerBase != 0 {
		base = strings.ToLower(base)
	}
	if e[12]&fatLowerExt != 0 {
		ext = strings.ToLower(ext)
	}
	if ext == "" {
		return base
	}
	return base + "." + ext
}

func oem(b []byte) string {
	upper := []rune(codePage850)
	var s strings.Builder
	for _, c := range b {
		switch {
		case c >= 0x80:
			s.WriteRune(upper[c-0x80])
		case c < 0x20 || c == '/':
			s.WriteByte('?')
		default:
			s.WriteByte(c)
		}
	}
	return strings.TrimRight(s.String(), " ")
}
