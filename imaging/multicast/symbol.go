package multicast

import "github.com/ardoise/ardoise/imaging/multicast/wire"

// Symbol names the next packet of a session: which symbol of which block, in which stream.
type Symbol struct {
	Stream     uint8
	Generation uint16
	Block      uint32
	Index      uint8 // 0..127 source, 128..254 parity
	Sources    uint8 // source symbols of this block, 1..128
	Interval   uint16
	Sequence   uint64 // of this stream, from 1: what wire.Sealer counts too, so every Symbol is sealed, once, in order
}

// Header returns the packet's header.
func (s Symbol) Header(session uint32) wire.Header {
	kind := uint8(wire.KindSource)
	if s.Index >= wire.BlockSymbols {
		kind = wire.KindParity
	}
	return wire.Header{
		Kind: kind, Stream: s.Stream, Generation: s.Generation, Session: session, Block: s.Block,
		Symbol: s.Index, Sources: s.Sources, Interval: s.Interval, Sequence: s.Sequence,
	}
}

// Need is what a computer knows of its need of a block.
type Need uint8

// Needs of a block.
const (
	// Unknown: the disk has not been looked at where the block's chunks go. Its symbols are kept meanwhile.
	Unknown Need = iota
	// Missing: something in the block has to come.
	Missing
	// Held: nothing of the block is needed, or not any more.
	Held
)
