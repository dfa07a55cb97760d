package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Limits of one request for symbols.
const (
	// MaxAskBlocks is the most blocks of one Ask.
	MaxAskBlocks = 64
	// MaxAskSymbols is the most symbols of one Ask: 5.8 MB of answer.
	MaxAskSymbols = 4096
	// answerHeader is the number of bytes before each symbol of an answer.
	answerHeader = 8
	// AnswerSize is the number of bytes that one symbol takes in the answer to an Ask.
	AnswerSize = answerHeader + SymbolSize
)

// AskError says why an Ask is refused.
type AskError struct{ Reason string }

// Error implements error.
func (e *AskError) Error() string { return "asking for symbols: " + e.Reason }

// Check returns an *AskError unless the request is within the limits and fits the generation that it names. Parity is
// not to be had: to compute it costs the server fifty times what it costs to read a symbol of the source.
func (a Ask) Check(g Generation) error {
	if a.Generation != g.Number {
		return &AskError{Reason: fmt.Sprintf("generation %d", a.Generation)}
	}
	if len(a.Blocks) > MaxAskBlocks {
		return &AskError{Reason: fmt.Sprintf("%d blocks at once", len(a.Blocks))}
	}
	symbols := 0
	for _, b := range a.Blocks {
		k := g.Symbols(b.Block)
		if k == 0 {
			return &AskError{Reason: fmt.Sprintf("block %d of %d", b.Block, g.Blocks())}
		}
		for _, s := range b.Symbols {
			if int(s) >= k {
				return &AskError{Reason: fmt.Sprintf("symbol %d of a block of %d", s, k)}
			}
		}
		if symbols += len(b.Symbols); symbols > MaxAskSymbols {
			return &AskError{Reason: "too many symbols at once"}
		}
	}
	return nil
}

// Answer is one symbol of the answer to an Ask. The answer's body is one after the other: generation (2 bytes), block
// (4), symbol, source symbols of the block - 1, then the symbol's bytes. What the server cannot read is left out.
type Answer struct {
	Generation uint16
	Block      uint32
	Symbol     uint8
	Sources    uint8 // 1 ..= 128
	Content    []byte
}

// AppendTo appends the answer's AnswerSize bytes.
func (a Answer) AppendTo(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, a.Generation)
	b = binary.BigEndian.AppendUint32(b, a.Block)
	b = append(b, a.Symbol, a.Sources-1)
	return append(b, a.Content...)
}

// ReadAnswer reads the next symbol of an answer into buffer, which must have AnswerSize bytes; the content lies in it.
// It returns io.EOF behind the last one.
func ReadAnswer(r io.Reader, buffer []byte) (Answer, error) {
	buffer = buffer[:AnswerSize]
	if _, err := io.ReadFull(r, buffer); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return Answer{}, fmt.Errorf("reading a symbol: %w", err)
		}
		return Answer{}, err
	}
	a := Answer{
		Generation: binary.BigEndian.Uint16(buffer),
		Block:      binary.BigEndian.Uint32(buffer[2:]),
		Symbol:     buffer[6], Sources: buffer[7] + 1,
		Content: buffer[answerHeader:],
	}
	if buffer[7] >= BlockSymbols || a.Symbol >= MaxSymbols || a.Symbol < BlockSymbols && a.Symbol >= a.Sources {
		return Answer{}, &AskError{Reason: fmt.Sprintf("symbol %d of a block of %d came", a.Symbol, a.Sources)}
	}
	return a, nil
}
