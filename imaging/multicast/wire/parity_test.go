package wire_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/klauspost/reedsolomon"

	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// block makes the sources of a block and all of its parity.
func block(t testing.TB, random *rand.Rand, k, size int) *[wire.MaxSymbols][]byte {
	t.Helper()
	var all [wire.MaxSymbols][]byte
	for s := range k {
		all[s] = make([]byte, size)
		for i := range all[s] {
			all[s][i] = byte(random.Uint32())
		}
	}
	for s := wire.BlockSymbols; s < wire.MaxSymbols; s++ {
		all[s] = make([]byte, size)
		if err := wire.Parity(all[s], s, all[:k]); err != nil {
			t.Fatal(err)
		}
	}
	return &all
}

// A full block's parity is that of the library's own Cauchy code, so that the code is not only consistent with itself.
func TestParityIsTheCauchyCode(t *testing.T) {
	all := block(t, rand.New(rand.NewPCG(1, 2)), wire.BlockSymbols, wire.SymbolSize)
	reference, err := reedsolomon.New(wire.BlockSymbols, wire.ParitySymbols, reedsolomon.WithCauchyMatrix())
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := reference.Verify(all[:]); err != nil || !ok {
		t.Fatalf("the library's code refuses ours: %v, %v", ok, err)
	}
}

func TestRebuildFromAnySymbols(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, k := range []int{1, 2, 3, 17, 64, 126, 127, 128} {
		for _, lost := range []int{0, 1, 2, 5, k / 2, k} {
			if lost > k || lost > wire.ParitySymbols {
				continue
			}
			all := block(t, random, k, 96)
			want := make([][]byte, k)
			for s := range want {
				want[s] = slices.Clone(all[s])
			}
			for _, s := range random.Perm(k)[:lost] {
				all[s] = nil
			}
			for _, s := range random.Perm(wire.ParitySymbols)[:wire.ParitySymbols-lost] {
				all[wire.BlockSymbols+s] = nil
			}
			if err := wire.Rebuild(all, k); err != nil {
				t.Fatalf("%d of %d lost: %v", lost, k, err)
			}
			for s := range want {
				if !bytes.Equal(all[s], want[s]) {
					t.Fatalf("%d of %d lost: symbol %d is wrong", lost, k, s)
				}
			}
		}
	}
}

func TestRebuildRefuses(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	tests := map[string]func(all *[wire.MaxSymbols][]byte) int{
		"too few": func(all *[wire.MaxSymbols][]byte) int {
			all[0], all[1] = nil, nil
			for s := wire.BlockSymbols + 1; s < wire.MaxSymbols; s++ {
				all[s] = nil
			}
			return 8
		},
		"a short source": func(all *[wire.MaxSymbols][]byte) int { all[0], all[3] = nil, all[3][:5]; return 8 },
		"a short parity": func(all *[wire.MaxSymbols][]byte) int { all[0], all[128] = nil, all[128][:5]; return 8 },
		"no sources":     func(*[wire.MaxSymbols][]byte) int { return 0 },
		"many sources":   func(*[wire.MaxSymbols][]byte) int { return 129 },
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			all := block(t, random, 8, 32)
			k := damage(all)
			var refused *wire.ParityError
			if err := wire.Rebuild(all, k); !errors.As(err, &refused) {
				t.Errorf("got %v, want a ParityError", err)
			}
		})
	}
	sources := [][]byte{make([]byte, 8), make([]byte, 8)}
	for name, err := range map[string]error{
		"symbol 127":   wire.Parity(make([]byte, 8), 127, sources),
		"symbol 255":   wire.Parity(make([]byte, 8), 255, sources),
		"short dst":    wire.Parity(make([]byte, 7), 128, sources),
		"no sources":   wire.Parity(make([]byte, 8), 128, nil),
		"many sources": wire.Parity(make([]byte, 8), 128, make([][]byte, 129)),
	} {
		var refused *wire.ParityError
		if !errors.As(err, &refused) {
			t.Errorf("%s: got %v, want a ParityError", name, err)
		}
	}
}

func BenchmarkParity(b *testing.B) {
	all := block(b, rand.New(rand.NewPCG(7, 8)), wire.BlockSymbols, wire.SymbolSize)
	b.SetBytes(wire.BlockSize)
	for b.Loop() {
		for s := wire.BlockSymbols; s < wire.BlockSymbols+2; s++ {
			if err := wire.Parity(all[s], s, all[:wire.BlockSymbols]); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkRebuild(b *testing.B) {
	all := block(b, rand.New(rand.NewPCG(9, 10)), wire.BlockSymbols, wire.SymbolSize)
	b.SetBytes(wire.BlockSize)
	b.ReportAllocs()
	for b.Loop() {
		work := *all
		work[5], work[77], work[100], work[127] = nil, nil, nil, nil
		if err := wire.Rebuild(&work, wire.BlockSymbols); err != nil {
			b.Fatal(err)
		}
	}
}
