package efi_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io/fs"
	"net"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ardoise/ardoise/imaging/agent/efi"
)

// Load options as firmware and installers write them, byte by byte.
const (
	// Debian's installer: "debian", HD(1,GPT,...)/\EFI\debian\shimx64.efi
	debian = "010000006200640065006200690061006e000000" + "04012a000100000000080000000000000000100000000000" +
		"00112233445566778899aabbccddeeff" + "0202" +
		"040434005c004500460049005c00640065006200690061006e005c007300680069006d007800360034002e006500660069000000" + "7fff0400"
)

func raw(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// network builds the entry of a NIC: kind 12 IPv4, 13 IPv6, 24 URI.
func network(mac net.HardwareAddr, name string, kinds ...uint8) []byte {
	o := efi.LoadOption{Attributes: 1, Description: name,
		Path: []efi.Node{{Type: 2, SubType: 1, Data: make([]byte, 8)}, {Type: 3, SubType: 11, Data: append(slices.Clone([]byte(mac)), make([]byte, 27)...)}}}
	for _, k := range kinds {
		o.Path = append(o.Path, efi.Node{Type: 3, SubType: k, Data: make([]byte, 23)})
	}
	b, err := o.Encode()
	if err != nil {
		panic(err)
	}
	return b
}

func TestLoadOptionOfDebiansInstaller(t *testing.T) {
	b := raw(t, debian)
	o, err := efi.ParseLoadOption(b)
	if err != nil {
		t.Fatal(err)
	}
	if o.Description != "debian" || o.File() != `\EFI\debian\shimx64.efi` || o.Attributes != 1 || !o.Is(4, 1) {
		t.Errorf("read %+v, file %q", o, o.File())
	}
	back, err := o.Encode()
	if err != nil || !bytes.Equal(back, b) {
		t.Errorf("encoded again: %x, %v; want %x", back, err, b)
	}
}

func TestDamagedLoadOptionsAreRefused(t *testing.T) {
	good := raw(t, debian)
	for name, b := range map[string][]byte{
		"empty":                              nil,
		"description without end":            good[:12],
		"path cut short":                     good[:40],
		"path longer than the variable":      append([]byte{1, 0, 0, 0, 0xff, 0xff}, good[6:]...),
		"node of length 0":                   {1, 0, 0, 0, 4, 0, 0, 0, 4, 1, 0, 0},
		"node past the end":                  {1, 0, 0, 0, 4, 0, 0, 0, 4, 1, 9, 0},
		"path without end node":              {1, 0, 0, 0, 4, 0, 0, 0, 4, 1, 4, 0},
		"more than firmware can ever return": make([]byte, 70000),
	} {
		var d *efi.DamagedError
		if o, err := efi.ParseLoadOption(b); !errors.As(err, &d) {
			t.Errorf("%s: got %+v, %v", name, o, err)
		}
	}
}

func FuzzLoadOption(f *testing.F) {
	f.Add(raw(f, debian))
	f.Add(network(net.HardwareAddr{0x52, 0x54, 0, 0x12, 0x34, 0x56}, "UEFI PXEv4", 12))
	f.Add([]byte{1, 0, 0, 0, 8, 0, 0, 0, 0x7f, 1, 4, 0, 0x7f, 0xff, 4, 0, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := efi.ParseLoadOption(b)
		if err != nil {
			return
		}
		_ = o.File()
		e, err := o.Encode()
		if err != nil {
			return // descriptions with lone surrogates grow
		}
		again, err := efi.ParseLoadOption(e)
		if err != nil {
			t.Fatalf("what Encode wrote does not parse: %v", err)
		}
		if e2, err := again.Encode(); err != nil || !bytes.Equal(e, e2) {
			t.Fatalf("encoding is not stable: %x, then %x (%v)", e, e2, err)
		}
	})
}

type store struct {
	vars   map[string][]byte
	writes int
	full   bool
}

func (s *store) Get(name string) ([]byte, error) {
	b, ok := s.vars[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return b, nil
}

func (s *store) Set(name string, b []byte) error {
	if s.full {
		return errors.New("no space left on device")
	}
	s.writes++
	if len(b) == 0 {
		delete(s.vars, name)
		return nil
	}
	s.vars[name] = slices.Clone(b)
	return nil
}

func (s *store) List() ([]string, error) {
	var names []string
	for n := range s.vars {
		names = append(names, n)
	}
	sort.Strings(names)
	return names, nil
}

var (
	mac   = net.HardwareAddr{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}
	other = net.HardwareAddr{0x52, 0x54, 0x00, 0x99, 0x99, 0x99}
	sys   = efi.System{Partition: 1, Start: 2048, Sectors: 1 << 20, GUID: "33221100-5544-7766-8899-AABBCCDDEEFF", File: `\EFI\debian\shimx64.efi`}
)

func school(t *testing.T) *store {
	return &store{vars: map[string][]byte{
		"Boot0000": network(mac, "HTTPv4", 12, 24), "Boot0001": network(mac, "PXEv6", 13), "Boot0002": network(other, "PXEv4 of another NIC", 12),
		"Boot0003": network(mac, "PXEv4", 12), "Boot0004": raw(t, "010000000400530065007400750070000000"+"7fff0400"),
		"Boot00ZZ": {1}, "Boot0006": {1, 2, 3}, "BootCurrent": {3, 0},
		"BootOrder": {4, 0, 1, 0, 0, 0, 2, 0, 3, 0, 6, 0},
	}}
}

func TestOrderPutsTheNetworkFirstThenTheSystem(t *testing.T) {
	s := school(t)
	n, err := efi.Order(s, mac, &sys)
	if err != nil {
		t.Fatal(err)
	}
	if n != 5 {
		t.Errorf("the system's entry is %d, want the first free number 5 (6 is taken by one that does not parse)", n)
	}
	if d := cmp.Diff([]byte{3, 0, 5, 0, 4, 0, 1, 0, 0, 0, 2, 0, 6, 0}, s.vars["BootOrder"]); d != "" {
		t.Error(d)
	}
	for name, active := range map[string]bool{"Boot0000": false, "Boot0001": false, "Boot0002": true, "Boot0003": true, "Boot0005": true} {
		if o, err := efi.ParseLoadOption(s.vars[name]); err != nil || o.Attributes&efi.Active != 0 != active {
			t.Errorf("%s: attributes %x, %v", name, o.Attributes, err)
		}
	}
	if !bytes.Contains(s.vars["Boot0005"], raw(t, "00112233445566778899aabbccddeeff0202")) {
		t.Errorf("GUID of the partition is not in Boot0005: %x", s.vars["Boot0005"])
	}
}

func TestOrderTwiceWritesNothingAndDuplicatesNothing(t *testing.T) {
	s := school(t)
	first, err := efi.Order(s, mac, &sys)
	if err != nil {
		t.Fatal(err)
	}
	count, writes := len(s.vars), s.writes
	if n, err := efi.Order(s, mac, &sys); err != nil || n != first || len(s.vars) != count || s.writes != writes {
		t.Errorf("second run: entry %d, %v, %d variables, %d writes", n, err, len(s.vars)-count, s.writes-writes)
	}
	moved := sys
	moved.GUID, moved.File = "00000000-0000-0000-0000-000000000001", `\EFI\Microsoft\Boot\bootmgfw.efi`
	if n, err := efi.Order(s, mac, &moved); err != nil || n != first || len(s.vars) != count {
		t.Errorf("another system: entry %d, %v, %d new variables; want ours rewritten", n, err, len(s.vars)-count)
	}
}

func TestEntryOfTheInstallerIsUsed(t *testing.T) {
	s := school(t)
	s.vars["Boot0007"] = raw(t, debian)
	same := sys
	same.Sectors = 0x100000
	same.GUID = "33221100-5544-7766-8899-AABBCCDDEEFF"
	if n, err := efi.Order(s, mac, &same); err != nil || n != 7 {
		t.Errorf("entry %d, %v; want Debian's own", n, err)
	}
}

func TestFullFirmwareIsSaid(t *testing.T) {
	s := school(t)
	s.full = true
	if _, err := efi.Order(s, mac, &sys); err == nil || !strings.Contains(err.Error(), "Boot0005") {
		t.Errorf("got %v", err)
	}
	if err := efi.Next(s, 5); err == nil {
		t.Error("BootNext on a full firmware says nothing")
	}
}

func TestNoSystemStillOrders(t *testing.T) {
	s := school(t)
	if _, err := efi.Order(s, mac, nil); err != nil || s.vars["BootOrder"][0] != 3 || len(s.vars["BootOrder"]) != 12 {
		t.Errorf("order %x, %v", s.vars["BootOrder"], err)
	}
}

// menu is our own loader, as the agent finds it.
var menu = efi.System{Partition: 4, Start: 1 << 21, Sectors: 655360, GUID: "0F0F0F0F-5544-7766-8899-AABBCCDDEEFF", File: `\EFI\ARDOISE\SHIMX64.EFI`}

func arrange(t *testing.T, s *store, m *efi.System) efi.Numbers {
	t.Helper()
	n, err := efi.Arrange(s, efi.Wish{MAC: mac, System: &sys, Menu: m})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAMenuRoomStartsItsMenuFirst(t *testing.T) {
	s := school(t)
	n := arrange(t, s, &menu)
	if n.Menu == nil || n.Network == nil || n.System == nil || *n.Menu != 5 || *n.Network != 3 || *n.System != 7 {
		t.Fatalf("numbers %+v", n)
	}
	if d := cmp.Diff([]byte{5, 0, 3, 0, 7, 0, 4, 0, 1, 0, 0, 0, 2, 0, 6, 0}, s.vars["BootOrder"]); d != "" {
		t.Error(d)
	}
	o, err := efi.ParseLoadOption(s.vars["Boot0005"])
	if err != nil || o.Description != "Ardoise" || o.File() != menu.File || o.Attributes != efi.Active {
		t.Errorf("our entry: %+v, %v", o, err)
	}
	writes := s.writes
	arrange(t, s, &menu)
	if s.writes != writes {
		t.Errorf("%d writes the second time", s.writes-writes)
	}
	// Windows' own set-up puts itself first.
	s.vars["BootOrder"] = []byte{7, 0, 5, 0, 3, 0}
	arrange(t, s, &menu)
	if !bytes.Equal(s.vars["BootOrder"], []byte{5, 0, 3, 0, 7, 0}) {
		t.Errorf("after Windows: % x", s.vars["BootOrder"])
	}
	// The partition moved, and firmware has made a copy of our entry.
	s.vars["Boot0009"] = s.vars["Boot0005"]
	s.vars["BootOrder"] = []byte{9, 0, 5, 0, 3, 0, 7, 0}
	moved := menu
	moved.Start = 1 << 22
	arrange(t, s, &moved)
	if _, double := s.vars["Boot0009"]; double || !bytes.Equal(s.vars["BootOrder"], []byte{5, 0, 3, 0, 7, 0}) {
		t.Errorf("a double stays: %v, order % x", double, s.vars["BootOrder"])
	}
	if o, err := efi.ParseLoadOption(s.vars["Boot0005"]); err != nil || !bytes.Equal(o.Path[0].Data[4:12], []byte{0, 0, 0x40, 0, 0, 0, 0, 0}) {
		t.Errorf("our entry starts at % x, %v", o.Path[0].Data[4:12], err)
	}
	// Firmware has made a copy of the system's entry, too.
	s.vars["Boot000B"] = s.vars["Boot0007"]
	s.vars["BootOrder"] = []byte{5, 0, 3, 0, 11, 0, 7, 0}
	arrange(t, s, &moved)
	if _, double := s.vars["Boot000B"]; double || !bytes.Equal(s.vars["BootOrder"], []byte{5, 0, 3, 0, 7, 0}) {
		t.Errorf("a double of the system stays: %v, order % x", double, s.vars["BootOrder"])
	}
	// The room is no menu room any more.
	n = arrange(t, s, nil)
	if _, there := s.vars["Boot0005"]; there || n.Menu != nil || !bytes.Equal(s.vars["BootOrder"], []byte{3, 0, 7, 0}) {
		t.Errorf("ours stays: %v, order % x", there, s.vars["BootOrder"])
	}
	if err := efi.Next(s, *n.Network); err != nil || !bytes.Equal(s.vars["BootNext"], []byte{3, 0}) {
		t.Errorf("BootNext % x, %v", s.vars["BootNext"], err)
	}
}
