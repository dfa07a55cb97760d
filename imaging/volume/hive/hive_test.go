package hive_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/volume/hive"
)

// empty is a hive of one bin with a root key that has nothing but the security that every key needs.
func empty() []byte {
	b := make([]byte, 8192)
	le := binary.LittleEndian
	copy(b, "regf")
	le.PutUint32(b[4:], 1)
	le.PutUint32(b[8:], 1)
	le.PutUint32(b[20:], 1)
	le.PutUint32(b[24:], 3)
	le.PutUint32(b[32:], 1)
	le.PutUint32(b[36:], 32)
	le.PutUint32(b[40:], 4096)
	le.PutUint32(b[44:], 1)
	bin := b[4096:]
	copy(bin, "hbin")
	le.PutUint32(bin[8:], 4096)
	cell := func(at, size int) []byte {
		le.PutUint32(bin[at:], uint32(-size))
		return bin[at+4 : at+size]
	}
	const security = 32 + 96
	key := cell(32, 96)
	copy(key, "nk")
	le.PutUint16(key[2:], 0x2c) // root, not to be deleted, name in Latin-1
	for _, at := range []int{0x10, 0x1c, 0x20, 0x28, 0x30} {
		le.PutUint32(key[at:], ^uint32(0))
	}
	le.PutUint32(key[0x2c:], security)
	le.PutUint16(key[0x48:], 4)
	copy(key[0x4c:], "ROOT")
	sk := cell(security, 48)
	copy(sk, "sk")
	le.PutUint32(sk[4:], security)
	le.PutUint32(sk[8:], security)
	le.PutUint32(sk[12:], 1)
	le.PutUint32(sk[16:], 20)
	copy(sk[20:], "\x01\x00\x00\x80") // a descriptor that says nothing
	le.PutUint32(bin[security+48:], 4096-security-48)
	seal(b)
	return b
}

// seal puts the checksum of the base block right.
func seal(b []byte) {
	var sum uint32
	for i := 0; i < 508; i += 4 {
		sum ^= binary.LittleEndian.Uint32(b[i:])
	}
	binary.LittleEndian.PutUint32(b[508:], sum)
}

// made is a hive that hivexsh wrote: commands are its own.
func made(t testing.TB, commands ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hive")
	if err := os.WriteFile(path, empty(), 0o644); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("hivexsh", "-w", path)
	c.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\ncommit\n")
	if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("hivexsh: %v\n%s", err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// system are the commands that make the part of HKEY_LOCAL_MACHINE\SYSTEM that is looked at, among others.
func system() []string {
	c := []string{"add Select", "cd Select", "setval 2", "Current", "dword:2", "Default", "dword:1", `cd \`,
		"add ControlSet001", "add ControlSet002", "add Setup", `cd \ControlSet002`, "add Control", "add Services", `cd \ControlSet002\Services`}
	for i := range 700 {
		c = append(c, fmt.Sprintf("add service%d", i))
	}
	c = append(c, `cd \ControlSet002\Control`, "add Power", "cd Power", "setval 1", "HibernateEnabled", "dword:1",
		`cd \ControlSet002\Control`, "add Session Manager", `cd \ControlSet002\Control\Session Manager`, "add Power", "cd Power",
		"setval 4", "HiberbootEnabled", "dword:1", "Text", "string:one", "Bytes", "hex:3:1,2,3,4,5,6,7,8", "Zahl é", "dword:0xfffffffe")
	return c
}

func open(t testing.TB, b []byte) *hive.Hive {
	t.Helper()
	h, err := hive.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestNumbersAreFoundWhereHivexPutThem(t *testing.T) {
	root := open(t, made(t, system()...)).Root()
	for where, want := range map[string]uint32{
		"Select Current": 2, "select DEFAULT": 1, "ControlSet002 Control Session_Manager Power HiberbootEnabled": 1,
		"controlset002 CONTROL session_manager power hiberbootenabled": 1,
		"ControlSet002 Control Session_Manager Power Zahl_é":           0xfffffffe,
	} {
		path := strings.Fields(where)
		for i := range path {
			path[i] = strings.ReplaceAll(path[i], "_", " ")
		}
		k, err := root.Find(path[:len(path)-1]...)
		if err != nil {
			t.Errorf("%s: %v", where, err)
			continue
		}
		if got, err := k.DWORD(path[len(path)-1]); err != nil || got != want {
			t.Errorf("%s is %d (%v), want %d", where, got, err, want)
		}
	}
	for i := range 700 {
		if _, err := root.Find("ControlSet002", "Services", fmt.Sprintf("SERVICE%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	var absent *hive.AbsentError
	for _, path := range [][]string{{"None"}, {"Setup", "None"}, {"ControlSet002", "Services", "service700"}, {""}} {
		if _, err := root.Find(path...); !errors.As(err, &absent) || absent.Name != path[len(path)-1] {
			t.Errorf("%q: %v", path, err)
		}
	}
	k, err := root.Find("ControlSet002", "Control", "Session Manager", "Power")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Text", "Bytes", "None", ""} {
		if v, err := k.DWORD(name); !errors.As(err, &absent) {
			t.Errorf("%q is %d (%v)", name, v, err)
		}
	}
	if v, err := root.DWORD("Current"); !errors.As(err, &absent) {
		t.Errorf("a key without values has %d (%v)", v, err)
	}
}

// TestTheKeptHiveIsRead reads what hivexsh wrote in 2026 of the commands of system, without the services.
func TestTheKeptHiveIsRead(t *testing.T) {
	b, err := os.ReadFile("testdata/system.hive")
	if err != nil {
		t.Fatal(err)
	}
	k, err := open(t, b).Root().Find("ControlSet002", "Control", "Session Manager", "Power")
	if err != nil {
		t.Fatal(err)
	}
	if v, err := k.DWORD("HiberbootEnabled"); err != nil || v != 1 {
		t.Errorf("%d, %v", v, err)
	}
}

// TestAnotherReaderFindsTheSameNumbers compares with reglookup every number of the hive.
func TestAnotherReaderFindsTheSameNumbers(t *testing.T) {
	b := made(t, system()...)
	path := filepath.Join(t.TempDir(), "hive")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("reglookup", "-t", "DWORD", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	root, compared := open(t, b).Root(), 0
	for _, m := range regexp.MustCompile(`(?m)^/(.*)/([^/]+),DWORD,0x([0-9A-F]+),`).FindAllStringSubmatch(string(out), -1) {
		want, err := strconv.ParseUint(m[3], 16, 32)
		if err != nil || strings.Contains(m[2], "%") {
			continue // a name that is not ASCII
		}
		k, err := root.Find(strings.Split(m[1], "/")...)
		if err != nil {
			t.Errorf("%s: %v", m[1], err)
			continue
		}
		if got, err := k.DWORD(m[2]); err != nil || uint64(got) != want {
			t.Errorf("%s is %d (%v), reglookup says %d", m[0], got, err, want)
		}
		compared++
	}
	if compared != 4 {
		t.Errorf("compared %d numbers\n%s", compared, out)
	}
}

// lists makes hives whose root names its subkeys in other ways than hivexsh writes them, all of which Windows has
// written: li is what Windows NT 3 and large keys have, ri names further lists.
func lists(t testing.TB) map[string][]byte {
	t.Helper()
	sound := made(t, "add Alpha", "add Beta", "cd Beta", "setval 1", "n", "dword:7")
	le := binary.LittleEndian
	bin := sound[4096:]
	list := le.Uint32(bin[36+0x1c:])
	var keys []uint32
	for i := range 2 {
		keys = append(keys, le.Uint32(bin[int(list)+8+8*i:]))
	}
	with := func(cells ...[]byte) []byte { // the last becomes the list of the root, %n in it the place of cell n
		b := append(bytes.Clone(sound), make([]byte, 4096)...)
		le.PutUint32(b[40:], uint32(len(b)-4096))
		last := b[len(b)-4096:]
		copy(last, "hbin")
		le.PutUint32(last[4:], uint32(len(b)-8192))
		le.PutUint32(last[8:], 4096)
		at := 32
		for _, c := range cells {
			le.PutUint32(last[at:], uint32(-(len(c)+11)/8*8))
			copy(last[at+4:], c)
			le.PutUint32(b[4096+36+0x1c:], uint32(len(b)-8192+at))
			at += (len(c) + 11) / 8 * 8
		}
		le.PutUint32(last[at:], uint32(4096-at))
		seal(b)
		return b
	}
	words := func(kind string, v ...uint32) []byte {
		b := le.AppendUint16([]byte(kind), uint16(len(v)))
		for _, w := range v {
			b = le.AppendUint32(b, w)
		}
		return b
	}
	next := uint32(len(sound) - 4096 + 32) // the first cell of with
	hashed := words("lh", keys[0], 0, keys[1], 0)
	le.PutUint16(hashed[2:], 2)
	return map[string][]byte{
		"as hivexsh wrote it":      sound,
		"li":                       with(words("li", keys...)),
		"ri of li":                 with(words("li", keys[0]), words("li", keys[1]), words("ri", next, next+16)),
		"ri of lh":                 with(hashed, words("ri", next)),
		"ri in ri":                 with(words("li", keys...), words("ri", next), words("ri", next+16)),
		"ri of itself":             with(words("ri", next, next)),
		"a list in a list's place": with(words("li", next)),
		"too long":                 with(append([]byte("li\xff\xff"), make([]byte, 64)...)),
	}
}

func TestEveryKindOfListIsFollowedAndNoFurther(t *testing.T) {
	var damage *hive.DamageError
	for name, b := range lists(t) {
		t.Run(name, func(t *testing.T) {
			k, err := open(t, b).Root().Find("beta")
			switch name {
			case "as hivexsh wrote it", "li", "ri of li", "ri of lh":
				if err != nil {
					t.Fatal(err)
				}
				if v, err := k.DWORD("N"); err != nil || v != 7 {
					t.Errorf("%d, %v", v, err)
				}
			default:
				if !errors.As(err, &damage) {
					t.Errorf("got %v", err)
				}
			}
		})
	}
}

func TestHivesThatCannotBe(t *testing.T) {
	sound := made(t, system()...)
	le := binary.LittleEndian
	var damage *hive.DamageError
	for name, change := range map[string]func(b []byte) []byte{
		"empty":                   func([]byte) []byte { return nil },
		"short":                   func(b []byte) []byte { return b[:4096] },
		"cut":                     func(b []byte) []byte { return b[:8192] },
		"another magic":           func(b []byte) []byte { b[0] = 'x'; return b },
		"another version":         func(b []byte) []byte { le.PutUint32(b[20:], 2); return b },
		"a log":                   func(b []byte) []byte { le.PutUint32(b[28:], 1); return b },
		"no bin":                  func(b []byte) []byte { b[4096] = 'x'; return b },
		"root outside":            func(b []byte) []byte { le.PutUint32(b[36:], 1<<31); return b },
		"root in the header":      func(b []byte) []byte { le.PutUint32(b[36:], 0); return b },
		"root at an odd place":    func(b []byte) []byte { le.PutUint32(b[36:], 33); return b },
		"root free":               func(b []byte) []byte { le.PutUint32(b[4096+32:], 96); return b },
		"root as large as it may": func(b []byte) []byte { le.PutUint32(b[4096+32:], 1<<31); return b },
		"root not a key":          func(b []byte) []byte { b[4096+36] = 'v'; return b },
		"name too long":           func(b []byte) []byte { le.PutUint16(b[4096+36+0x48:], 9000); return b },
	} {
		b := change(bytes.Clone(sound))
		if len(b) >= 512 {
			seal(b)
		}
		if _, err := hive.Open(bytes.NewReader(b), int64(len(b))); !errors.As(err, &damage) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b := bytes.Clone(sound)
	b[500] ^= 1
	if _, err := hive.Open(bytes.NewReader(b), int64(len(b))); !errors.As(err, &damage) {
		t.Errorf("wrong checksum: %v", err)
	}
	if _, err := hive.Open(bytes.NewReader(sound[:4100]), int64(len(sound))); err == nil || errors.As(err, &damage) {
		t.Errorf("a file that cannot be read is called damaged: %v", err)
	}
}

// counter counts what a lookup reads.
type counter struct {
	*bytes.Reader
	calls, bytes int
}

func (c *counter) ReadAt(b []byte, off int64) (int, error) {
	c.calls, c.bytes = c.calls+1, c.bytes+len(b)
	return c.Reader.ReadAt(b, off)
}

// hostile looks everything up that a capture does, in bytes that may be anything, and bounds what that reads.
func hostile(t testing.TB, b []byte) {
	c := &counter{Reader: bytes.NewReader(b)}
	h, err := hive.Open(c, int64(len(b)))
	if err != nil {
		return
	}
	for _, path := range [][]string{{"Select"}, {"Beta"}, {"ControlSet002", "Control", "Session Manager", "Power"}} {
		if k, err := h.Root().Find(path...); err == nil {
			_, _ = k.DWORD("Current")
			_, _ = k.DWORD("HiberbootEnabled")
		}
	}
	if c.calls > 20*(1<<16) || c.bytes > 1<<30 {
		t.Fatalf("%d reads of %d bytes", c.calls, c.bytes)
	}
}

func TestDamageIsNeverBelieved(t *testing.T) {
	sound := made(t, system()...)
	r := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		b := bytes.Clone(sound)
		for range 1 + r.IntN(8) {
			b[4096+r.IntN(len(b)-4096)] = byte([]int{0, 1, 0xff, r.IntN(256)}[r.IntN(4)])
		}
		hostile(t, b)
	}
}

func FuzzHive(f *testing.F) {
	f.Add(empty())
	f.Add(made(f, system()...)[:16384])
	kept, err := os.ReadFile("testdata/system.hive")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(kept)
	for _, b := range lists(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<20 {
			return
		}
		b = bytes.Clone(b)
		if len(b) >= 512 {
			seal(b) // a checksum is no wall for who means harm
		}
		hostile(t, b)
	})
}
