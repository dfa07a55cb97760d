package wire

import (
	"fmt"

	"github.com/klauspost/reedsolomon"
)

// ParityError says why symbols cannot be computed.
type ParityError struct{ Reason string }

// Error implements error.
func (e *ParityError) Error() string { return "parity: " + e.Reason }

// coefficient is what source symbol c counts in parity symbol s. As s >= 128 > c the two never meet, every square part of
// the matrix can be inverted (Cauchy), and a block with fewer sources is one whose other sources are zero: one code for
// all sizes, of which any row can be computed alone.
func coefficient(s, c int) byte { return reedsolomon.Inv(byte(s ^ c)) }

// Parity computes parity symbol number symbol (128 ..= 254) of a block from its 1 ..= 128 source symbols into dst, all
// of one length. It costs in proportion to the sources, and nothing is kept.
func Parity(dst []byte, symbol int, sources [][]byte) error {
	if symbol < BlockSymbols || symbol >= MaxSymbols {
		return &ParityError{Reason: fmt.Sprintf("symbol %d is none of parity", symbol)}
	}
	if len(sources) < 1 || len(sources) > BlockSymbols {
		return &ParityError{Reason: fmt.Sprintf("%d source symbols", len(sources))}
	}
	for _, source := range sources {
		if len(source) != len(dst) {
			return &ParityError{Reason: fmt.Sprintf("symbols of %d and %d bytes", len(source), len(dst))}
		}
	}
	var field reedsolomon.LowLevel
	field.GalMulSlice(coefficient(symbol, 0), sources[0], dst)
	for c, source := range sources[1:] {
		field.GalMulSliceXor(coefficient(symbol, c+1), source, dst)
	}
	return nil
}

// Rebuild computes the source symbols that are missing. symbols has one place for each number: its first k are the
// sources, those from 128 on parity; nil is missing. It needs k symbols of any kind, of one length; the parity that it
// uses is overwritten and becomes the missing sources: its places are nil afterwards, theirs are not. It costs in
// proportion to the missing ones.
func Rebuild(symbols *[MaxSymbols][]byte, k int) error {
	missing, parity, err := choose(symbols, k)
	if err != nil || len(missing) == 0 {
		return err
	}
	var field reedsolomon.LowLevel
	// What is left of each parity symbol without the sources that are here is a sum of the missing ones alone.
	for _, p := range parity {
		for c := range k {
			if symbols[c] != nil {
				field.GalMulSliceXor(coefficient(p, c), symbols[c], symbols[p])
			}
		}
	}
	// Gauss and Jordan: the rows are swapped for a pivot never, as every leading part of a Cauchy matrix is regular.
	n := len(missing)
	var matrix [ParitySymbols][ParitySymbols]byte
	for i, p := range parity {
		for j, c := range missing {
			matrix[i][j] = coefficient(p, c)
		}
	}
	for i := range n {
		row, symbol := matrix[i][:n], symbols[parity[i]]
		if pivot := row[i]; pivot != 1 {
			inverse := reedsolomon.Inv(pivot)
			field.GalMulSlice(inverse, row, row)
			field.GalMulSlice(inverse, symbol, symbol)
		}
		for other := range n {
			if factor := matrix[other][i]; other != i && factor != 0 {
				field.GalMulSliceXor(factor, row, matrix[other][:n])
				field.GalMulSliceXor(factor, symbol, symbols[parity[other]])
			}
		}
	}
	for i, c := range missing {
		symbols[c], symbols[parity[i]] = symbols[parity[i]], nil
	}
	return nil
}

// choose finds the missing sources and as many parity symbols.
func choose(symbols *[MaxSymbols][]byte, k int) (missing, parity []int, err error) {
	if k < 1 || k > BlockSymbols {
		return nil, nil, &ParityError{Reason: fmt.Sprintf("%d source symbols", k)}
	}
	size := -1
	sized := func(s int) bool {
		if size < 0 {
			size = len(symbols[s])
		}
		return len(symbols[s]) == size
	}
	for s := range k {
		switch {
		case symbols[s] == nil:
			missing = append(missing, s)
		case !sized(s):
			return nil, nil, &ParityError{Reason: "symbols of different lengths"}
		}
	}
	for s := BlockSymbols; s < MaxSymbols && len(parity) < len(missing); s++ {
		if symbols[s] == nil {
			continue
		}
		if !sized(s) {
			return nil, nil, &ParityError{Reason: "symbols of different lengths"}
		}
		parity = append(parity, s)
	}
	if len(parity) < len(missing) {
		return nil, nil, &ParityError{Reason: fmt.Sprintf("%d of %d symbols are too few", k-len(missing)+len(parity), k)}
	}
	return missing, parity, nil
}
