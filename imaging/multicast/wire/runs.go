package wire

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"iter"
	"math"
)

// Values of runs besides deficits.
const (
	// Unknown is the deficit of a block, and the need of a chunk, that its PC cannot tell yet.
	Unknown = 255
	// Held is the need of a chunk that the disk holds already.
	Held = 0
	// Missing is the need of a chunk that has to come.
	Missing = 1
)

// MaxRuns is the most runs of one list: with it a hostile report stays under a megabyte.
const MaxRuns = 1 << 16

// Run says that Count neighbours have the same value: the deficit of blocks (0 ..= 128) or the need of chunks, or
// Unknown.
type Run struct {
	Count uint32
	Value uint8
}

// Runs is a list of values, one for each block of a generation or each chunk of a master, in order. What lies behind
// its end has no value yet: it counts as Unknown. In text it is base64 of, for each run, the count as a varint and the
// value.
type Runs []Run

// RunsError says why bytes are no Runs.
type RunsError struct{ Reason string }

// Error implements error.
func (e *RunsError) Error() string { return "runs: " + e.Reason }

// Add appends count times value, joined with the last run where that has the same value.
func (r Runs) Add(count uint32, value uint8) Runs {
	if count == 0 {
		return r
	}
	if n := len(r) - 1; n >= 0 && r[n].Value == value && r[n].Count <= math.MaxUint32-count {
		r[n].Count += count
		return r
	}
	return append(r, Run{Count: count, Value: value})
}

// Len returns how many values the runs give.
func (r Runs) Len() uint64 {
	var n uint64
	for _, run := range r {
		n += uint64(run.Count)
	}
	return n
}

// All yields each position with its value.
func (r Runs) All() iter.Seq2[uint32, uint8] {
	return func(yield func(uint32, uint8) bool) {
		var at uint32
		for _, run := range r {
			for range run.Count {
				if !yield(at, run.Value) {
					return
				}
				at++
			}
		}
	}
}

// Coarse returns a list of at most limit runs (2 or more) for one that has more: neighbours are put together in groups of a
// power of two, of which the highest value but Unknown counts, then Unknown. So nothing that is needed is left out.
func (r Runs) Coarse(limit int) Runs {
	for group := uint32(2); len(r) > max(limit, 2); group *= 2 {
		var out Runs
		var have, total uint32
		var value uint8
		unknown := false
		flush := func() {
			if unknown && value == 0 {
				value = Unknown
			}
			out = out.Add(have, value)
			have, value, unknown = 0, 0, false
		}
		for _, run := range r {
			for left := run.Count; left > 0; {
				n := min(left, group-have)
				if have == 0 && left >= group {
					n = left / group * group // whole groups of one value
				}
				if run.Value == Unknown {
					unknown = true
				} else {
					value = max(value, run.Value)
				}
				have += n
				left -= n
				total += n
				if total%group == 0 {
					flush()
				}
			}
		}
		if have > 0 {
			flush()
		}
		r = out
	}
	return r
}

// AppendBinary appends the compact form: for each run a varint and a byte.
func (r Runs) AppendBinary(b []byte) []byte {
	for _, run := range r {
		b = append(binary.AppendUvarint(b, uint64(run.Count)), run.Value)
	}
	return b
}

// ParseRuns reads what AppendBinary wrote. It fails with *RunsError on more than MaxRuns runs, on values that are
// neither 0 ..= 128 nor Unknown, on empty runs, and on more than 2^32 - 1 values in all.
func ParseRuns(b []byte) (Runs, error) {
	runs := make(Runs, 0, min(len(b)/2, MaxRuns))
	var total uint64
	for len(b) > 0 {
		count, n := binary.Uvarint(b)
		if n <= 0 || n >= len(b) {
			return nil, &RunsError{Reason: "cut short"}
		}
		value := b[n]
		b = b[n+1:]
		if count == 0 || count > math.MaxUint32 {
			return nil, &RunsError{Reason: fmt.Sprintf("a run of %d", count)}
		}
		if total += count; total > math.MaxUint32 {
			return nil, &RunsError{Reason: "more values than blocks can have numbers"}
		}
		if value > BlockSymbols && value != Unknown {
			return nil, &RunsError{Reason: fmt.Sprintf("value %d", value)}
		}
		if len(runs) == MaxRuns {
			return nil, &RunsError{Reason: "too many"}
		}
		runs = append(runs, Run{Count: uint32(count), Value: value})
	}
	return runs, nil
}

// MarshalText implements encoding.TextMarshaler.
func (r Runs) MarshalText() ([]byte, error) {
	return base64.RawStdEncoding.AppendEncode(nil, r.AppendBinary(nil)), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Runs) UnmarshalText(text []byte) error {
	if len(text) > base64.RawStdEncoding.EncodedLen(MaxRuns*6) {
		return &RunsError{Reason: "too long"}
	}
	raw, err := base64.RawStdEncoding.AppendDecode(nil, text)
	if err != nil {
		return &RunsError{Reason: err.Error()}
	}
	parsed, err := ParseRuns(raw)
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}
