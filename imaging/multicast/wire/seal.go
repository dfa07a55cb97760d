package wire

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"sync/atomic"
)

// Window is how many sequence numbers behind the highest an Opener tells apart, in 256 KiB. Half of it is how far ahead
// of what the server told a sequence may be: 13 s of a 1 Gb/s line.
const Window = 1 << 21

// keyInfo begins the info of the key derivation.
const keyInfo = "ardoise multicast key 0"

// Key is the AES-128 key of one stream of one session.
type Key [16]byte

// DeriveKey makes the key of a stream: HKDF-SHA256 of the session's secret (16 bytes or more), salted with the 32 fresh
// bytes of this start of the sender.
func DeriveKey(secret, salt []byte, session uint32, stream uint8) (Key, error) {
	if len(secret) < 16 || len(salt) != 32 {
		return Key{}, fmt.Errorf("key of a session: a secret of %d bytes and a salt of %d", len(secret), len(salt))
	}
	info := append(binary.BigEndian.AppendUint32([]byte(keyInfo), session), stream)
	raw, err := hkdf.Key(sha256.New, secret, salt, string(info), len(Key{}))
	if err != nil {
		return Key{}, fmt.Errorf("key of a session: %w", err)
	}
	return Key(raw), nil
}

// newAEAD makes the cipher of a key.
func newAEAD(key Key) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // only for other key sizes
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // only for other block sizes
	}
	return aead
}

// nonce writes the nonce of a packet: stream and sequence, which never occur twice under one key.
func nonce(n *[12]byte, h Header) {
	binary.BigEndian.PutUint32(n[:4], uint32(h.Stream))
	binary.BigEndian.PutUint64(n[4:], h.Sequence)
}

// Sealer seals the packets of one stream of one session. It gives out the sequence numbers itself, so that none is
// used twice. For one goroutine at a time.
type Sealer struct {
	aead     cipher.AEAD
	session  uint32
	stream   uint8
	sequence uint64
	nonce    [12]byte
}

// NewSealer returns the sealer of a stream. Only one may ever be made for a key.
func NewSealer(key Key, session uint32, stream uint8) *Sealer {
	return &Sealer{aead: newAEAD(key), session: session, stream: stream}
}

// Sequence returns the number of packets that were sealed, which is the last one's sequence.
func (s *Sealer) Sequence() uint64 { return s.sequence }

// Seal makes a packet in place: bytes HeaderSize ..< HeaderSize+SymbolSize of packet are the symbol, the rest is
// written. Session, stream and sequence of h are the sealer's own. It panics unless packet has PacketSize bytes.
func (s *Sealer) Seal(packet []byte, h Header) {
	if len(packet) != PacketSize {
		panic(fmt.Sprintf("sealing a packet of %d bytes", len(packet)))
	}
	s.sequence++
	h.Session, h.Stream, h.Sequence = s.session, s.stream, s.sequence
	h.AppendTo(packet[:0])
	nonce(&s.nonce, h)
	s.aead.Seal(packet[HeaderSize:HeaderSize], s.nonce[:], packet[HeaderSize:HeaderSize+SymbolSize], packet[:HeaderSize])
}

// Opener opens the packets of one stream of one session, each once. For one goroutine at a time, but for Told.
//
// Everybody in the session has its key. One authentic packet with a sequence of the far future would make all others too
// old; so what lies further ahead than the server can have come is refused.
type Opener struct {
	aead    cipher.AEAD
	session uint32
	stream  uint8
	nonce   [12]byte
	limit   atomic.Uint64 // highest sequence that is believed
	highest uint64
	seen    []uint64 // bit sequence modulo Window; nil before the first packet
}

// NewOpener returns the opener of a stream. Until it is Told, it takes any sequence.
func NewOpener(key Key, session uint32, stream uint8) *Opener {
	o := &Opener{aead: newAEAD(key), session: session, stream: stream}
	o.limit.Store(math.MaxUint64)
	return o
}

// Told says that the server has sent the stream up to a sequence. It may be called by any goroutine.
func (o *Opener) Told(sequence uint64) {
	o.limit.Store(sequence + min(Window/2, math.MaxUint64-sequence))
}

// Open proves a packet and decrypts it in place: the symbol is a part of packet. What it refuses it names by a Reject;
// the packet's bytes are lost then.
func (o *Opener) Open(packet []byte) (Header, []byte, error) {
	if len(packet) != PacketSize {
		return Header{}, nil, RejectSize
	}
	h, err := Parse(packet)
	switch {
	case err != nil:
		return Header{}, nil, err
	case h.Session != o.session:
		return Header{}, nil, RejectSession
	case h.Stream != o.stream:
		return Header{}, nil, RejectStream
	case o.old(h.Sequence):
		return Header{}, nil, RejectOld
	}
	nonce(&o.nonce, h)
	symbol, err := o.aead.Open(packet[HeaderSize:HeaderSize], o.nonce[:], packet[HeaderSize:], packet[:HeaderSize])
	if err != nil {
		return Header{}, nil, RejectForged
	}
	if h.Sequence > o.limit.Load() {
		return Header{}, nil, RejectAhead
	}
	o.mark(h.Sequence)
	return h, symbol, nil
}

// Highest returns the highest sequence that was opened, 0 before the first.
func (o *Opener) Highest() uint64 { return o.highest }

// old tells whether a sequence was seen or lies below the window.
func (o *Opener) old(sequence uint64) bool {
	if sequence > o.highest {
		return false
	}
	at := sequence % Window
	return o.highest-sequence >= Window || o.seen[at/64]&(1<<(at%64)) != 0
}

// mark notes an authentic sequence; the places of the numbers that it skips are cleared, as they still tell of numbers
// a window below.
func (o *Opener) mark(sequence uint64) {
	if o.seen == nil {
		o.seen = make([]uint64, Window/64)
	}
	if sequence > o.highest {
		if sequence-o.highest >= Window {
			clear(o.seen)
		} else {
			for skipped := o.highest + 1; skipped < sequence; skipped++ {
				at := skipped % Window
				o.seen[at/64] &^= 1 << (at % 64)
			}
		}
		o.highest = sequence
	}
	at := sequence % Window
	o.seen[at/64] |= 1 << (at % 64)
}
