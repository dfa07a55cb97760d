package wire

import (
	"fmt"

	"github.com/ardoise/ardoise/masters/manifest"
)

// Sizes of the protocol.
const (
	// SymbolSize is the number of bytes of a block's content that one packet carries.
	SymbolSize = 1408
	// BlockSymbols is the number of source symbols in a full block.
	BlockSymbols = 128
	// BlockSize is the number of bytes of a full block.
	BlockSize = BlockSymbols * SymbolSize
	// MaxSymbols is the number of different symbols of a block, source and parity: 0 ..= 254.
	MaxSymbols = 255
	// ParitySymbols is the number of different parity symbols of a block: 128 ..= 254.
	ParitySymbols = MaxSymbols - BlockSymbols
	// Interleave is the number of neighbouring blocks that are sent in turn, so that a burst of losses is spread.
	Interleave = 16
	// HeaderSize is the number of bytes before the symbol.
	HeaderSize = 24
	// TagSize is the number of bytes after it.
	TagSize = 16
	// PacketSize is the UDP payload of every packet: it fits an Ethernet frame under IPv6 and a VLAN tag.
	PacketSize = HeaderSize + SymbolSize + TagSize
)

// Limits of one generation.
const (
	// MaxIndex is the largest index in bytes. It is assembled in memory, on a PC of 1 GiB too.
	MaxIndex = 256 << 20
	// MaxData is the most bytes of frames in a generation.
	MaxData = 16 << 40
)

// Generation is one immutable piece of a session's stream, as the server announces it.
type Generation struct {
	Number uint16
	Index  int64         // bytes
	Data   int64         // bytes
	Hash   manifest.Hash // BLAKE3-256 of the index
}

// SizeError says that a generation cannot be as it was announced.
type SizeError struct {
	Number      uint16
	Index, Data int64 // bytes
}

// Error implements error.
func (e *SizeError) Error() string {
	return fmt.Sprintf("generation %d of %d bytes of index and %d of data: out of range", e.Number, e.Index, e.Data)
}

// Check returns a *SizeError unless the sizes are within the limits. The other methods are right only for a generation
// that passed it.
func (g Generation) Check() error {
	if g.Index < 1 || g.Index > MaxIndex || g.Data < 0 || g.Data > MaxData || g.Number == 0 && g.Data != 0 {
		return &SizeError{Number: g.Number, Index: g.Index, Data: g.Data}
	}
	return nil
}

// IndexBlocks returns how many blocks the index has. They are numbered from 0.
func (g Generation) IndexBlocks() uint32 { return uint32((g.Index + BlockSize - 1) / BlockSize) }

// Blocks returns how many blocks the generation has, index and data together.
func (g Generation) Blocks() uint32 {
	return g.IndexBlocks() + uint32((g.Data+BlockSize-1)/BlockSize)
}

// Extent tells which bytes a block holds: n bytes from off on, of the index or of the data. A block that the
// generation does not have holds none.
func (g Generation) Extent(block uint32) (inIndex bool, off, n int64) {
	size := g.Index
	if inIndex = block < g.IndexBlocks(); !inIndex {
		block -= g.IndexBlocks()
		size = g.Data
	}
	off = int64(block) * BlockSize
	return inIndex, off, max(0, min(BlockSize, size-off))
}

// Symbols returns how many source symbols a block has: 1 ..= 128, or 0 for a block that the generation does not have.
func (g Generation) Symbols(block uint32) int {
	_, _, n := g.Extent(block)
	return int((n + SymbolSize - 1) / SymbolSize)
}
