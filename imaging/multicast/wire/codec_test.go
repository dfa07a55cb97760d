package wire_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/masters/chunk"
)

func TestBlocksOfGenerations(t *testing.T) {
	tests := map[string]struct {
		g                  wire.Generation
		indexBlocks, total uint32
		symbols            map[uint32]int
	}{
		"one byte":       {wire.Generation{Index: 1}, 1, 1, map[uint32]int{0: 1, 1: 0}},
		"one block":      {wire.Generation{Index: wire.BlockSize}, 1, 1, map[uint32]int{0: 128, 1: 0}},
		"a byte more":    {wire.Generation{Index: wire.BlockSize + 1}, 2, 2, map[uint32]int{0: 128, 1: 1, 2: 0}},
		"index and data": {wire.Generation{Number: 1, Index: 1409, Data: wire.BlockSize + 1408}, 1, 3, map[uint32]int{0: 2, 1: 128, 2: 1, 3: 0}},
		"the largest": {wire.Generation{Number: 1, Index: wire.MaxIndex, Data: wire.MaxData}, 1490, 1490 + 97612894,
			map[uint32]int{1489: 59, 1490: 128, math.MaxUint32: 0}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if err := test.g.Check(); err != nil {
				t.Fatal(err)
			}
			if test.g.IndexBlocks() != test.indexBlocks || test.g.Blocks() != test.total {
				t.Errorf("%d and %d blocks, want %d and %d", test.g.IndexBlocks(), test.g.Blocks(), test.indexBlocks, test.total)
			}
			for block, want := range test.symbols {
				if got := test.g.Symbols(block); got != want {
					t.Errorf("block %d has %d symbols, want %d", block, got, want)
				}
			}
			var index, data int64
			for b := range min(test.g.Blocks(), 4000) {
				inIndex, off, n := test.g.Extent(b)
				if inIndex != (b < test.indexBlocks) || inIndex && off != index || !inIndex && off != data || n < 1 {
					t.Fatalf("block %d: %v, %d, %d", b, inIndex, off, n)
				}
				if inIndex {
					index += n
				} else {
					data += n
				}
			}
			if index != test.g.Index || test.g.Blocks() < 4000 && data != test.g.Data {
				t.Errorf("the blocks cover %d and %d bytes", index, data)
			}
		})
	}
}

func TestHostileGenerations(t *testing.T) {
	for name, g := range map[string]wire.Generation{
		"no index":              {Number: 1},
		"negative":              {Number: 1, Index: -1},
		"negative data":         {Number: 1, Index: 1, Data: -1},
		"huge index":            {Number: 1, Index: wire.MaxIndex + 1},
		"huge data":             {Number: 1, Index: 1, Data: wire.MaxData + 1},
		"manifests with frames": {Index: 1, Data: 1},
	} {
		var refused *wire.SizeError
		if err := g.Check(); !errors.As(err, &refused) {
			t.Errorf("%s: got %v, want a SizeError", name, err)
		}
	}
}

func TestRunsInJSON(t *testing.T) {
	var runs wire.Runs
	runs = runs.Add(3, 0).Add(2, 0).Add(0, 7).Add(1, 128).Add(math.MaxUint16, wire.Unknown)
	want := wire.Runs{{5, 0}, {1, 128}, {math.MaxUint16, wire.Unknown}}
	if !reflect.DeepEqual(runs, want) || runs.Len() != 6+math.MaxUint16 {
		t.Fatalf("%v, want %v", runs, want)
	}
	report := wire.Report{Member: 7, Deficits: []wire.GenerationRuns{{Generation: 1, Runs: runs}}}
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(`"Runs":"BQABgP//A/8"`)) {
		t.Errorf("runs are not base64 in %s", text)
	}
	var back wire.Report
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, report) {
		t.Errorf("%+v, %v, want %+v", back, err, report)
	}
	var sum, n int
	for at, value := range runs {
		_ = at
		sum += int(value.Value)
	}
	for at := range runs.All() {
		if int(at) != n {
			t.Fatalf("position %d, want %d", at, n)
		}
		n++
	}
	if uint64(n) != runs.Len() || sum != 128+255 {
		t.Errorf("%d values", n)
	}
}

func TestCoarseRunsLeaveNothingOut(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var runs wire.Runs
		for range random.IntN(300) {
			runs = runs.Add(1+random.Uint32N(9), []uint8{0, 1, 7, wire.Unknown}[random.IntN(4)])
		}
		limit := 1 + random.IntN(50)
		coarse := runs.Coarse(limit)
		if len(coarse) > max(limit, 2) || coarse.Len() != runs.Len() {
			t.Fatalf("%d runs of %d values became %d of %d, limit %d", len(runs), runs.Len(), len(coarse), coarse.Len(), limit)
		}
		values := make([]uint8, 0, coarse.Len())
		for _, value := range coarse.All() {
			values = append(values, value)
		}
		for at, value := range runs.All() {
			got := values[at]
			if value == wire.Unknown && got == wire.Held || value != wire.Unknown && (got < value || got == wire.Unknown && value > 0) {
				t.Fatalf("value %d became %d", value, got)
			}
		}
	}
}

func TestHostileRuns(t *testing.T) {
	for name, raw := range map[string][]byte{
		"cut short":       {5},
		"an open varint":  {0x80, 0x80},
		"an empty run":    {0, 1},
		"value 129":       {1, 129},
		"a huge run":      {0xff, 0xff, 0xff, 0xff, 0x1f, 0},
		"huge in all":     {0xff, 0xff, 0xff, 0xff, 0x0f, 0, 1, 1},
		"too many runs":   bytes.Repeat([]byte{1, 0, 1, 1}, wire.MaxRuns/2+1),
		"a 64-bit varint": {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1},
	} {
		var refused *wire.RunsError
		if _, err := wire.ParseRuns(raw); !errors.As(err, &refused) {
			t.Errorf("%s: got %v, want a RunsError", name, err)
		}
		var runs wire.Runs
		if err := runs.UnmarshalText([]byte(base64.RawStdEncoding.EncodeToString(raw))); !errors.As(err, &refused) {
			t.Errorf("%s, as text: got %v, want a RunsError", name, err)
		}
	}
	var runs wire.Runs
	var refused *wire.RunsError
	if err := runs.UnmarshalText([]byte("!")); !errors.As(err, &refused) {
		t.Errorf("no base64: got %v", err)
	}
}

func FuzzParseRuns(f *testing.F) {
	f.Add(wire.Runs{{5, 0}, {1, 128}, {math.MaxUint16, wire.Unknown}}.AppendBinary(nil))
	f.Add(wire.Runs{{math.MaxUint32, 3}}.AppendBinary(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		runs, err := wire.ParseRuns(b)
		if err != nil {
			return
		}
		again, err := wire.ParseRuns(runs.AppendBinary(nil))
		if err != nil || len(again) != len(runs) || len(runs) > 0 && !reflect.DeepEqual(again, runs) {
			t.Fatalf("%v became %v, %v", runs, again, err)
		}
	})
}

// FuzzReport parses what any enrolled PC may send.
func FuzzReport(f *testing.F) {
	full, err := json.Marshal(wire.Report{
		Member: 3, Interval: 9, Sequence: 100, Buffer: 90, Done: true,
		Deficits: []wire.GenerationRuns{{Generation: 1, Runs: wire.Runs{{5, 1}}}},
		Needs:    []wire.MasterRuns{{Master: 0, Runs: wire.Runs{{9, wire.Missing}}}},
		Events:   []wire.Event{{Code: wire.EventPolluted, Block: 7, Text: "chunk"}},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(full)
	f.Fuzz(func(t *testing.T, b []byte) {
		report, err := wire.ParseReport(b)
		if err == nil {
			if err := report.Check(); err != nil {
				t.Fatalf("parsed and refused: %v", err)
			}
		}
	})
}

func plan() wire.Plan {
	var p wire.Plan
	return p.Add(chunk.Of([]byte("one")), chunk.HeaderSize+1).Add(chunk.Of([]byte("two")), chunk.MaxFrameSize)
}

func TestPlan(t *testing.T) {
	p := plan()
	got, err := wire.ParsePlan(p.Encode(), p.Data())
	if err != nil || !reflect.DeepEqual(got, p) {
		t.Fatalf("%v, %v, want %v", got, err, p)
	}
	encoded := p.Encode()
	for name, test := range map[string]struct {
		b    []byte
		data int64
	}{
		"nothing":      {nil, 0},
		"a bundle":     {wire.Bundle{}.Encode(), 0},
		"cut short":    {encoded[:len(encoded)-1], p.Data()},
		"cut in an id": {encoded[:12], 0},
		"other data":   {encoded, p.Data() + 1},
		"a tiny frame": {wire.Plan{{Size: chunk.HeaderSize}}.Encode(), chunk.HeaderSize},
		"a huge frame": {wire.Plan{{Size: chunk.MaxFrameSize + 1}}.Encode(), chunk.MaxFrameSize + 1},
	} {
		var refused *wire.IndexError
		if _, err := wire.ParsePlan(test.b, test.data); !errors.As(err, &refused) {
			t.Errorf("%s: got %v, want an IndexError", name, err)
		}
	}
}

func FuzzParsePlan(f *testing.F) {
	f.Add(plan().Encode(), plan().Data())
	f.Fuzz(func(t *testing.T, b []byte, data int64) {
		p, err := wire.ParsePlan(b, data)
		if err != nil {
			return
		}
		if again, err := wire.ParsePlan(p.Encode(), data); err != nil || len(again) != len(p) {
			t.Fatalf("%v became %v, %v", p, again, err)
		}
	})
}

func TestBundle(t *testing.T) {
	bundle := wire.Bundle{
		{Manifest: []byte("a manifest"), Signature: []byte(`{"Key":""}`)},
		{Manifest: bytes.Repeat([]byte{7}, 300), Signature: []byte{}},
	}
	got, err := wire.ParseBundle(bundle.Encode())
	if err != nil || !reflect.DeepEqual(got, bundle) {
		t.Fatalf("%v, %v, want %v", got, err, bundle)
	}
	encoded := bundle.Encode()
	for name, b := range map[string][]byte{
		"nothing":          nil,
		"a plan":           plan().Encode(),
		"cut short":        encoded[:len(encoded)-1],
		"without the end":  encoded[:20],
		"a long signature": wire.Bundle{{Signature: make([]byte, wire.MaxSignature+1)}}.Encode(),
		"65 masters":       make(wire.Bundle, wire.MaxMasters+1).Encode(),
		"an overflow":      append(wire.Bundle{}.Encode(), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1),
	} {
		var refused *wire.IndexError
		if _, err := wire.ParseBundle(b); !errors.As(err, &refused) {
			t.Errorf("%s: got %v, want an IndexError", name, err)
		}
	}
}

func FuzzParseBundle(f *testing.F) {
	f.Add(wire.Bundle{{Manifest: []byte("a manifest"), Signature: []byte("{}")}, {}}.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		bundle, err := wire.ParseBundle(b)
		if err != nil {
			return
		}
		if again, err := wire.ParseBundle(bundle.Encode()); err != nil || len(again) != len(bundle) {
			t.Fatalf("%v became %v, %v", bundle, again, err)
		}
	})
}

func TestAskAndAnswer(t *testing.T) {
	g := wire.Generation{Number: 2, Index: 1, Data: wire.BlockSize + wire.SymbolSize}
	good := wire.Ask{Generation: 2, Blocks: []wire.BlockAsk{{Block: 1, Symbols: []byte{0, 127}}, {Block: 2, Symbols: []byte{0}}}}
	if err := good.Check(g); err != nil {
		t.Fatal(err)
	}
	many := wire.Ask{Generation: 2, Blocks: make([]wire.BlockAsk, wire.MaxAskBlocks+1)}
	long := wire.Ask{Generation: 2, Blocks: []wire.BlockAsk{{Block: 1, Symbols: make([]byte, wire.MaxAskSymbols+1)}}}
	for name, ask := range map[string]wire.Ask{
		"another generation":    {Generation: 1},
		"a block that is not":   {Generation: 2, Blocks: []wire.BlockAsk{{Block: 3}}},
		"a symbol that is not":  {Generation: 2, Blocks: []wire.BlockAsk{{Block: 2, Symbols: []byte{1}}}},
		"parity":                {Generation: 2, Blocks: []wire.BlockAsk{{Block: 1, Symbols: []byte{128}}}},
		"symbol 255":            {Generation: 2, Blocks: []wire.BlockAsk{{Block: 1, Symbols: []byte{255}}}},
		"too many blocks":       many,
		"too many symbols":      long,
		"a block of the future": {Generation: 2, Blocks: []wire.BlockAsk{{Block: math.MaxUint32}}},
	} {
		var refused *wire.AskError
		if err := ask.Check(g); !errors.As(err, &refused) {
			t.Errorf("%s: got %v, want an AskError", name, err)
		}
	}
	want := wire.Answer{Generation: 2, Block: 1, Symbol: 254, Sources: 128, Content: bytes.Repeat([]byte{9}, wire.SymbolSize)}
	body := want.AppendTo(nil)
	buffer := make([]byte, wire.AnswerSize)
	r := bytes.NewReader(body)
	if got, err := wire.ReadAnswer(r, buffer); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	if _, err := wire.ReadAnswer(r, buffer); err != io.EOF {
		t.Errorf("behind the end: %v", err)
	}
	if _, err := wire.ReadAnswer(bytes.NewReader(body[:100]), buffer); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut short: %v", err)
	}
	for _, damage := range []wire.Answer{{Symbol: 255, Sources: 1}, {Symbol: 5, Sources: 5}, {Sources: 200}} {
		damage.Content = want.Content
		var refused *wire.AskError
		if _, err := wire.ReadAnswer(bytes.NewReader(damage.AppendTo(nil)), buffer); !errors.As(err, &refused) {
			t.Errorf("%d of %d: got %v, want an AskError", damage.Symbol, damage.Sources, err)
		}
	}
}

func FuzzReadAnswer(f *testing.F) {
	f.Add(wire.Answer{Symbol: 254, Sources: 128, Content: make([]byte, wire.SymbolSize)}.AppendTo(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := wire.ReadAnswer(bytes.NewReader(b), make([]byte, wire.AnswerSize))
		if err == nil && !bytes.Equal(a.AppendTo(nil), b[:wire.AnswerSize]) {
			t.Fatalf("%+v is written differently", a)
		}
	})
}
