package wire

import "encoding/binary"

// Version is the version of the packet's form.
const Version = 0

// Kinds of packets.
const (
	KindSource = 0 // one symbol of a block's content
	KindParity = 1 // one symbol of its parity
	KindProbe  = 2 // nothing to keep: it is sent to see who hears it
)

// Streams of a session.
const (
	StreamFast = 0
	StreamSlow = 1
	Streams    = 2 // how many there are
)

// Header is what stands before the symbol of every packet, readable by everyone and authenticated.
type Header struct {
	Kind, Stream    uint8
	Generation      uint16
	Session, Block  uint32
	Symbol, Sources uint8  // Sources: source symbols of this block, 1 ..= 128
	Interval        uint16 // which of the sender's intervals, modulo 65,536: a tenth of a second or less, of one rate
	Sequence        uint64 // of this stream, from 1
}

// AppendTo appends the 24 bytes of the header.
func (h Header) AppendTo(b []byte) []byte {
	b = append(b, Version<<4|h.Kind&0x0f, h.Stream)
	b = binary.BigEndian.AppendUint16(b, h.Generation)
	b = binary.BigEndian.AppendUint32(b, h.Session)
	b = binary.BigEndian.AppendUint32(b, h.Block)
	b = append(b, h.Symbol, h.Sources-1)
	b = binary.BigEndian.AppendUint16(b, h.Interval)
	return binary.BigEndian.AppendUint64(b, h.Sequence)
}

// Parse reads the header at the start of b. What it refuses it names by a Reject.
func Parse(b []byte) (Header, error) {
	if len(b) < HeaderSize {
		return Header{}, RejectSize
	}
	h := Header{
		Kind: b[0] & 0x0f, Stream: b[1],
		Generation: binary.BigEndian.Uint16(b[2:]),
		Session:    binary.BigEndian.Uint32(b[4:]),
		Block:      binary.BigEndian.Uint32(b[8:]),
		Symbol:     b[12], Sources: b[13] + 1,
		Interval: binary.BigEndian.Uint16(b[14:]),
		Sequence: binary.BigEndian.Uint64(b[16:]),
	}
	switch {
	case b[0]>>4 != Version || h.Kind > KindProbe || h.Stream >= Streams:
		return Header{}, RejectForm
	case b[13] >= BlockSymbols || h.Symbol >= MaxSymbols || h.Sequence == 0:
		return Header{}, RejectForm
	case h.Kind == KindSource && h.Symbol >= h.Sources, h.Kind == KindParity && h.Symbol < BlockSymbols:
		return Header{}, RejectForm
	}
	return h, nil
}

// Reject says why a packet was dropped. It is an error that costs nothing to return: rubbish may come at line rate.
type Reject uint8

// Why packets are dropped.
const (
	RejectSize    Reject = iota // not 1,448 bytes
	RejectForm                  // another version, or fields out of range
	RejectSession               // of another session
	RejectStream                // of another stream of this session
	RejectOld                   // seen before, or so old that it cannot be told
	RejectForged                // the tag is wrong
	RejectAhead                 // authentic, but further ahead than the server can be: an insider's
	Rejects                     // how many reasons there are
)

// Error implements error.
func (r Reject) Error() string {
	switch r {
	case RejectSize:
		return "packet of a wrong size"
	case RejectForm:
		return "packet of an unknown form"
	case RejectSession:
		return "packet of another session"
	case RejectStream:
		return "packet of another stream"
	case RejectOld:
		return "packet seen before or too old"
	case RejectForged:
		return "packet with a wrong tag"
	case RejectAhead:
		return "packet of an insider: the server has not come to its sequence"
	default:
		return "packet dropped"
	}
}
