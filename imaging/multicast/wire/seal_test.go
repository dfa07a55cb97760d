package wire_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

var update = flag.Bool("update", false, "write the golden packets anew")

// key derives the key of the tests.
func key(t testing.TB, session uint32, stream uint8) wire.Key {
	t.Helper()
	k, err := wire.DeriveKey(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32), session, stream)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// packet seals a packet whose symbol counts up from the first value.
func packet(s *wire.Sealer, h wire.Header, first byte) []byte {
	p := make([]byte, wire.PacketSize)
	for i := range wire.SymbolSize {
		p[wire.HeaderSize+i] = first + byte(i)
	}
	s.Seal(p, h)
	return p
}

// TestGoldenPackets compares with packets that were also made by another implementation of HKDF and AES-GCM.
func TestGoldenPackets(t *testing.T) {
	const session = 0xa1b2c3d4
	slow := wire.NewSealer(key(t, session, wire.StreamSlow), session, wire.StreamSlow)
	packets := map[string][]byte{
		"source.packet": packet(slow, wire.Header{Generation: 7, Block: 0x01020304, Symbol: 100, Sources: 128, Interval: 9}, 0),
		"parity.packet": packet(slow, wire.Header{Kind: wire.KindParity, Generation: 7, Block: 5, Symbol: 254, Sources: 1, Interval: 10}, 50),
	}
	for name, got := range packets {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what is sent: PCs and servers of different versions would not understand each other", name)
		}
	}
}

func TestOpenGivesWhatWasSealed(t *testing.T) {
	sealer := wire.NewSealer(key(t, 1, 0), 1, 0)
	opener := wire.NewOpener(key(t, 1, 0), 1, 0)
	sent := wire.Header{Kind: wire.KindParity, Generation: 3, Block: 4, Symbol: 130, Sources: 17, Interval: 5}
	h, symbol, err := opener.Open(packet(sealer, sent, 7))
	if err != nil {
		t.Fatal(err)
	}
	sent.Session, sent.Sequence = 1, 1
	if h != sent {
		t.Errorf("header %+v, want %+v", h, sent)
	}
	if len(symbol) != wire.SymbolSize || symbol[0] != 7 || symbol[200] != 207 {
		t.Errorf("the symbol has %d bytes and begins with %d", len(symbol), symbol[0])
	}
}

func TestRejects(t *testing.T) {
	sealer := wire.NewSealer(key(t, 1, 0), 1, 0)
	good := packet(sealer, wire.Header{Sources: 128}, 0)
	other := packet(wire.NewSealer(key(t, 2, 0), 2, 0), wire.Header{Sources: 128}, 0)
	slow := packet(wire.NewSealer(key(t, 1, 1), 1, 1), wire.Header{Sources: 128}, 0)
	wrongKey := packet(wire.NewSealer(key(t, 9, 0), 1, 0), wire.Header{Sources: 128}, 0)
	change := func(at int, to byte) []byte {
		p := slices.Clone(good)
		p[at] = to
		return p
	}
	tests := map[string]struct {
		packet []byte
		want   wire.Reject
	}{
		"empty":                  {nil, wire.RejectSize},
		"short":                  {good[:wire.PacketSize-1], wire.RejectSize},
		"long":                   {append(slices.Clone(good), 0), wire.RejectSize},
		"another version":        {change(0, 0x10), wire.RejectForm},
		"another kind":           {change(0, 3), wire.RejectForm},
		"a third stream":         {change(1, 2), wire.RejectForm},
		"129 sources":            {change(13, 128), wire.RejectForm},
		"symbol 255":             {change(12, 255), wire.RejectForm},
		"source symbol 128":      {change(12, 128), wire.RejectForm},
		"sequence 0":             {change(23, 0), wire.RejectForm},
		"parity symbol 0":        {change(0, 1), wire.RejectForm},
		"another session":        {other, wire.RejectSession},
		"the slow stream":        {slow, wire.RejectStream},
		"another key":            {wrongKey, wire.RejectForged},
		"another block":          {change(11, 1), wire.RejectForged},
		"another sequence":       {change(23, 2), wire.RejectForged},
		"another symbol content": {change(500, good[500]^1), wire.RejectForged},
		"another tag":            {change(wire.PacketSize-1, good[wire.PacketSize-1]^1), wire.RejectForged},
	}
	opener := wire.NewOpener(key(t, 1, 0), 1, 0)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, _, err := opener.Open(slices.Clone(test.packet)); err != test.want {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
	if _, _, err := opener.Open(slices.Clone(good)); err != nil {
		t.Errorf("after all these the good one is refused: %v", err)
	}
	if _, _, err := opener.Open(slices.Clone(good)); err != wire.RejectOld {
		t.Errorf("the good one again: %v", err)
	}
}

// sealAt makes an authentic packet of any sequence, as everybody can who has the key.
func sealAt(t *testing.T, k wire.Key, sequence uint64) []byte {
	t.Helper()
	block, err := aes.NewCipher(k[:])
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	p := wire.Header{Session: 1, Sources: 1, Sequence: sequence}.AppendTo(nil)
	nonce := binary.BigEndian.AppendUint64(make([]byte, 4), sequence)
	return aead.Seal(p, nonce, make([]byte, wire.SymbolSize), p)
}

// The window is compared with a list of everything that was seen, over jumps of all sizes.
func TestWindow(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	k := key(t, 1, 0)
	opener := wire.NewOpener(k, 1, 0)
	seen := map[uint64]bool{}
	var highest uint64
	check := func(sequence uint64) {
		t.Helper()
		want := seen[sequence] || highest >= sequence+wire.Window
		_, _, err := opener.Open(sealAt(t, k, sequence))
		if got := err == wire.RejectOld; got != want || err != nil && !got {
			t.Fatalf("sequence %d with highest %d: %v, want refused %v", sequence, highest, err, want)
		}
		if !want {
			seen[sequence] = true
			highest = max(highest, sequence)
		}
	}
	n := uint64(1)
	for range 60 {
		for _, back := range []uint64{0, 1, 63, 64, 97, 970, 5000, wire.Window - 1, wire.Window, wire.Window + 97} {
			if n > back {
				check((n-back-1)/97*97 + 1)
				check(n - back)
			}
		}
		n += 1 + random.Uint64N(wire.Window/uint64(random.IntN(8)+1))
		if random.IntN(10) == 0 {
			n += 2 * wire.Window
		}
	}
}

// An insider's packet of the far future must not make the server's packets too old.
func TestOpenerKeepsToWhatTheServerTold(t *testing.T) {
	k := key(t, 1, 0)
	opener := wire.NewOpener(k, 1, 0)
	open := func(sequence uint64) error {
		_, _, err := opener.Open(sealAt(t, k, sequence))
		return err
	}
	told := uint64(5_000_000)
	opener.Told(told)
	for _, ahead := range []uint64{math.MaxUint64, 1 << 63, told + wire.Window/2 + 1} {
		if err := open(ahead); err != wire.RejectAhead {
			t.Errorf("sequence %d is answered by %v", ahead, err)
		}
		forged := sealAt(t, key(t, 1, 1), ahead)
		if _, _, err := opener.Open(forged); err != wire.RejectForged {
			t.Errorf("sequence %d of somebody without the key is answered by %v", ahead, err)
		}
	}
	if err := open(told + wire.Window/2); err != nil {
		t.Errorf("the last that may be: %v", err)
	}
	for n := range uint64(200) {
		if err := open(told - 100 + n); err != nil {
			t.Fatalf("sequence %d of the server: %v", told-100+n, err)
		}
	}
	opener.Told(math.MaxUint64)
	if err := open(math.MaxUint64); err != nil {
		t.Errorf("at the end of all numbers: %v", err)
	}
}

func TestPacketsCostNoMemory(t *testing.T) {
	sealer := wire.NewSealer(key(t, 1, 0), 1, 0)
	opener := wire.NewOpener(key(t, 1, 0), 1, 0)
	p := make([]byte, wire.PacketSize)
	if n := testing.AllocsPerRun(1000, func() {
		sealer.Seal(p, wire.Header{Sources: 128})
		if _, _, err := opener.Open(p); err != nil {
			t.Fatal(err)
		}
		if _, _, err := opener.Open(p); err == nil { // rubbish now
			t.Fatal("opened twice")
		}
	}); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

func TestDeriveKeyRefuses(t *testing.T) {
	if _, err := wire.DeriveKey(make([]byte, 15), make([]byte, 32), 1, 0); err == nil {
		t.Error("a secret of 15 bytes makes a key")
	}
	if _, err := wire.DeriveKey(make([]byte, 32), make([]byte, 31), 1, 0); err == nil {
		t.Error("a salt of 31 bytes makes a key")
	}
	keys := map[wire.Key]bool{key(t, 1, 0): true, key(t, 1, 1): true, key(t, 2, 0): true}
	if len(keys) != 3 {
		t.Error("two streams or sessions share a key")
	}
}

func FuzzOpen(f *testing.F) {
	for _, name := range []string{"source.packet", "parity.packet"} {
		p, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		h, err := wire.Parse(p)
		var reject wire.Reject
		if err != nil && !errors.As(err, &reject) {
			t.Fatalf("%v is no Reject", err)
		}
		if err == nil && !bytes.Equal(h.AppendTo(nil), p[:wire.HeaderSize]) {
			t.Fatalf("%+v is written differently", h)
		}
		if _, _, err := wire.NewOpener(key(t, 3, 0), 3, 0).Open(p); err == nil {
			t.Fatal("a packet was opened that nobody sealed")
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	sealer := wire.NewSealer(key(b, 1, 0), 1, 0)
	p := make([]byte, wire.PacketSize)
	b.SetBytes(wire.SymbolSize)
	b.ReportAllocs()
	for b.Loop() {
		sealer.Seal(p, wire.Header{Sources: 128})
	}
}

func BenchmarkOpenForged(b *testing.B) {
	opener := wire.NewOpener(key(b, 1, 0), 1, 0)
	p := packet(wire.NewSealer(key(b, 2, 0), 1, 0), wire.Header{Sources: 128}, 0)
	b.SetBytes(wire.SymbolSize)
	for b.Loop() {
		if _, _, err := opener.Open(p); err != wire.RejectForged {
			b.Fatal(err)
		}
	}
}
