package efi

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strconv"
	"strings"
)

// Variables are the firmware's global variables, content without the attributes. Get fails with fs.ErrNotExist when
// there is none of that name. Set without content deletes.
type Variables interface {
	Get(name string) ([]byte, error)
	Set(name string, content []byte) error
	List() ([]string, error)
}

// System is the loader of the system on the disk.
type System struct {
	Partition uint32 // number of the EFI system partition
	Start     uint64 // its first sector
	Sectors   uint64
	GUID      string // its unique GUID on a GPT disk, else ""
	Signature uint32 // of the disk on an MBR disk
	File      string // \EFI\debian\shimx64.efi
}

// Descriptions of the entries that are ours: whatever carries one may be rewritten or removed.
const (
	description     = "Ardoise: system"
	menuDescription = "Ardoise"
)

// Entry is one Boot#### variable.
type Entry struct {
	Number uint16
	Option LoadOption
}

// Boot is the boot manager's state.
type Boot struct {
	Entries []Entry // ascending; variables that do not parse are left out and never touched
	Order   []uint16
	taken   map[uint16]bool
}

// Read reads all entries and their order.
func Read(v Variables) (Boot, error) {
	b := Boot{taken: map[uint16]bool{}}
	names, err := v.List()
	if err != nil {
		return b, fmt.Errorf("listing firmware variables: %w", err)
	}
	for _, name := range names {
		n, ok := number(name)
		if !ok {
			continue
		}
		b.taken[n] = true
		content, err := v.Get(name)
		if err != nil {
			continue
		}
		if o, err := ParseLoadOption(content); err == nil {
			b.Entries = append(b.Entries, Entry{n, o})
		}
	}
	slices.SortFunc(b.Entries, func(x, y Entry) int { return int(x.Number) - int(y.Number) })
	order, err := v.Get("BootOrder")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return b, fmt.Errorf("reading BootOrder: %w", err)
	}
	for i := 0; i+1 < len(order); i += 2 {
		b.Order = append(b.Order, binary.LittleEndian.Uint16(order[i:]))
	}
	return b, nil
}

func number(name string) (uint16, bool) {
	if len(name) != 8 || !strings.HasPrefix(name, "Boot") {
		return 0, false
	}
	n, err := strconv.ParseUint(name[4:], 16, 16)
	return uint16(n), err == nil && name == variable(uint16(n))
}

func variable(n uint16) string { return fmt.Sprintf("Boot%04X", n) }

// Wish says what firmware should start.
type Wish struct {
	MAC    net.HardwareAddr // of the card that the agent came by
	System *System          // the system on the disk; nil = not known
	Menu   *System          // our own loader on ARDOISE, in a menu room; nil = no menu room, and ours is removed
}

// Numbers are the entries that Arrange found or made; nil where there is none.
type Numbers struct {
	System, Menu, Network *uint16
}

// Arrange makes the entries of Wish where they are missing, rewrites ours where they start something else by now, and
// puts them first: in a menu room ours, the IPv4 entry of the NIC, the system; else the NIC, then the system. IPv6 and
// HTTP entries become inactive.
func Arrange(v Variables, w Wish) (Numbers, error) {
	var n Numbers
	b, err := Read(v)
	if err != nil {
		return n, err
	}
	gone, err := b.remove(v, menuDescription, w.Menu != nil)
	if err != nil {
		return n, err
	}
	doubles, err := b.remove(v, description, true)
	if err != nil {
		return n, err
	}
	gone = append(gone, doubles...)
	var first []uint16
	if w.Menu != nil {
		own, err := b.makeMenu(v, *w.Menu)
		if err != nil {
			return n, err
		}
		n.Menu, first = &own, append(first, own)
	}
	for _, e := range b.Entries {
		if isNetwork(e.Option, w.MAC) {
			if n.Network == nil {
				n.Network = &e.Number
			}
			first = append(first, e.Number)
		}
	}
	if w.System != nil {
		own, err := b.makeSystem(v, *w.System)
		if err != nil {
			return n, err
		}
		n.System, first = &own, append(first, own)
	}
	if err := b.quiet(v); err != nil {
		return n, err
	}
	order := slices.Clone(first)
	for _, number := range b.Order {
		if !slices.Contains(order, number) && !slices.Contains(gone, number) {
			order = append(order, number)
		}
	}
	if slices.Equal(order, b.Order) {
		return n, nil
	}
	return n, set(v, "BootOrder", numbers(order))
}

// remove removes the entries of ours with a description: firmware makes copies. The first one stays where it is wanted. Order
// is put right by Arrange before anybody starts.
func (b *Boot) remove(v Variables, description string, keep bool) (gone []uint16, err error) {
	var left []Entry
	for _, e := range b.Entries {
		if e.Option.Description != description || keep {
			keep = keep && e.Option.Description != description
			left = append(left, e)
			continue
		}
		if err := v.Set(variable(e.Number), nil); err != nil {
			return gone, fmt.Errorf("removing firmware variable %s: %w", variable(e.Number), err)
		}
		gone = append(gone, e.Number)
		delete(b.taken, e.Number)
	}
	b.Entries = left
	return gone, nil
}

// Order is Arrange for a room without a menu. It returns the number of the system's entry, which means nothing where
// system is nil.
func Order(v Variables, mac net.HardwareAddr, system *System) (uint16, error) {
	n, err := Arrange(v, Wish{MAC: mac, System: system})
	if err != nil || n.System == nil {
		return 0, err
	}
	return *n.System, nil
}

// Next makes firmware start this entry at its next start, once.
func Next(v Variables, n uint16) error { return set(v, "BootNext", numbers([]uint16{n})) }

// First puts an entry before all others in the order of b.
func First(v Variables, b Boot, n uint16) error {
	order := []uint16{n}
	for _, other := range b.Order {
		if other != n {
			order = append(order, other)
		}
	}
	return set(v, "BootOrder", numbers(order))
}

func numbers(list []uint16) []byte {
	var b []byte
	for _, n := range list {
		b = binary.LittleEndian.AppendUint16(b, n)
	}
	return b
}

// isNetwork tells whether o is the plain IPv4 PXE entry of this NIC.
func isNetwork(o LoadOption, mac net.HardwareAddr) bool {
	n := o.node(messagingType, messagingMAC)
	return n != nil && len(mac) == 6 && bytes.HasPrefix(n.Data, mac) && o.Is(messagingType, messagingIPv4) &&
		!o.Is(messagingType, messagingIPv6) && !o.Is(messagingType, messagingURI)
}

// quiet makes IPv6 and HTTP entries inactive.
func (b *Boot) quiet(v Variables) error {
	for i, e := range b.Entries {
		o := e.Option
		if o.Attributes&Active == 0 || !o.Is(messagingType, messagingIPv6) && !o.Is(messagingType, messagingURI) {
			continue
		}
		b.Entries[i].Option.Attributes &^= Active
		if err := write(v, b.Entries[i]); err != nil {
			return err
		}
	}
	return nil
}

// makeSystem finds the entry of the system: one that starts the same file of the same partition, whoever made it, else
// ours brought up to date, else a new one.
func (b *Boot) makeSystem(v Variables, s System) (uint16, error) {
	want, err := s.option(description)
	if err != nil {
		return 0, err
	}
	for _, e := range b.Entries {
		if sameLoader(e.Option, want) && e.Option.Attributes&Active != 0 && e.Option.Description != description {
			return e.Number, nil
		}
	}
	return b.makeOurs(v, want)
}

// makeMenu finds our own entry, brings it up to date, or makes it.
func (b *Boot) makeMenu(v Variables, s System) (uint16, error) {
	want, err := s.option(menuDescription)
	if err != nil {
		return 0, err
	}
	return b.makeOurs(v, want)
}

// makeOurs makes the entry that carries the description of want be want.
func (b *Boot) makeOurs(v Variables, want LoadOption) (uint16, error) {
	for i := range b.Entries {
		e := &b.Entries[i]
		if e.Option.Description != want.Description {
			continue
		}
		if sameLoader(e.Option, want) && e.Option.Attributes == want.Attributes {
			return e.Number, nil
		}
		e.Option = want
		return e.Number, write(v, *e)
	}
	n := uint16(0)
	for b.taken[n] {
		if n++; n == 0xffff {
			return 0, errors.New("all boot entries are taken")
		}
	}
	b.taken[n] = true
	e := Entry{n, want}
	b.Entries = append(b.Entries, e)
	return n, write(v, e)
}

func sameLoader(a, b LoadOption) bool {
	x, y := a.node(mediaType, mediaHardDrive), b.node(mediaType, mediaHardDrive)
	return x != nil && y != nil && bytes.Equal(x.Data, y.Data) && strings.EqualFold(a.File(), b.File())
}

// option is the short form of UEFI 3.1.2: the path begins at the partition, so the disk may move to another port.
func (s System) option(description string) (LoadOption, error) {
	d := binary.LittleEndian.AppendUint32(nil, s.Partition)
	d = binary.LittleEndian.AppendUint64(d, s.Start)
	d = binary.LittleEndian.AppendUint64(d, s.Sectors)
	if s.GUID != "" {
		id, err := mixed(s.GUID)
		if err != nil {
			return LoadOption{}, err
		}
		d = append(append(d, id...), 2, 2) // GPT, GUID
	} else {
		id := make([]byte, 16)
		binary.LittleEndian.PutUint32(id, s.Signature)
		d = append(append(d, id...), 1, 1) // MBR, 32-bit signature
	}
	return LoadOption{Attributes: Active, Description: description, Path: []Node{
		{mediaType, mediaHardDrive, d}, {mediaType, mediaFile, utf16le(s.File)}}}, nil
}

// mixed turns the text of a GUID into its bytes: the first three fields little-endian.
func mixed(s string) ([]byte, error) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != 16 {
		return nil, fmt.Errorf("GUID %q is none", s)
	}
	slices.Reverse(b[0:4])
	slices.Reverse(b[4:6])
	slices.Reverse(b[6:8])
	return b, nil
}

func write(v Variables, e Entry) error {
	content, err := e.Option.Encode()
	if err != nil {
		return err
	}
	return set(v, variable(e.Number), content)
}

func set(v Variables, name string, content []byte) error {
	if old, err := v.Get(name); err == nil && bytes.Equal(old, content) {
		return nil
	}
	if err := v.Set(name, content); err != nil {
		return fmt.Errorf("writing firmware variable %s: %w", name, err)
	}
	return nil
}
