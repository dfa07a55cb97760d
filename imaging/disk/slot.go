package disk

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/zeebo/blake3"
)

// MaxKey is the largest content of the key slot in bytes.
const MaxKey = 64 << 10

const (
	slotMagic  = "ARDSLOT0"
	slotHeader = 64
)

// slotKind is the name of a slot's file on ARDOISE and the size of one of its two records.
type slotKind struct {
	file   string // 8.3 name, upper case
	record int64  // bytes; a multiple of physical
}

// physical is the largest physical sector of drives in use. A drive with logical sectors of 512 bytes (512e) reads,
// changes and writes one of these: a power cut may tear all of it. In layout 1 clusters need not lie on multiples of it,
// so a slot's file has that much to spare and its records begin at the first multiple inside.
const physical = 4096

func (k slotKind) fileSize() int64 { return 2*k.record + physical }

func physicalUp(n int64) int64 { return (n + physical - 1) / physical * physical }

func slotKinds() []slotKind {
	return []slotKind{{"MARK", 16 << 10}, {"KEY", 128 << 10}, {"GRANT", 1 << 20}, {"TRUST", 64 << 10},
		{"PROOF", 64 << 10}}
}

// DamagedSlotError says that neither record of a slot can be believed, though something was written there.
type DamagedSlotError struct{ Slot string }

// Error implements error.
func (e *DamagedSlotError) Error() string {
	return fmt.Sprintf("slot %s of ARDOISE is damaged", e.Slot)
}

// tooLargeError says that a slot has no room for a content.
type tooLargeError struct {
	slot string
	have int
	room int64
}

// Error implements error.
func (e *tooLargeError) Error() string {
	return fmt.Sprintf("writing slot %s: %d bytes do not fit into %d", e.slot, e.have, e.room)
}

// LowerCounterError says that a standing grant is older than the one that is kept.
type LowerCounterError struct{ Have, Got uint64 }

// Error implements error.
func (e *LowerCounterError) Error() string {
	return fmt.Sprintf("standing grant %d is older than grant %d", e.Got, e.Have)
}

// Device is where ARDOISE lies: a Disk, or a test's.
type Device interface {
	io.ReaderAt
	io.WriterAt
	Flush() error // everything written so far survives a power cut
}

// slot keeps one value in a file of fixed place and size: two records, written in turn, the newer valid one counts.
//
//	offset size
//	     0    8  magic "ARDSLOT0"
//	     8    8  name of the slot, padded with zeros
//	    16    8  sequence, little-endian, 1 ...
//	    24    4  bytes of content n
//	    28    4  zero
//	    32   32  BLAKE3-256 of bytes 0 ..< 32 and the content
//	    64    n  content
type slot struct {
	kind   slotKind
	d      Device
	offset int64 // of the first record, bytes from the start of the disk
}

// load returns the newer valid content and its sequence, and which record holds it. Never written: sequence 0.
func (s slot) load() (content []byte, sequence uint64, record int, err error) {
	if s.d == nil {
		return nil, 0, 0, &NoArdoiseError{"it is of an older layout"}
	}
	damaged, blank := 0, 0
	var failed error
	for i := range 2 {
		b := make([]byte, s.kind.record)
		if err := readFull(s.d, b, s.offset+int64(i)*s.kind.record); err != nil {
			failed = fmt.Errorf("reading slot %s: %w", s.kind.file, err)
			continue
		}
		c, seq, ok := s.parse(b)
		switch {
		case ok && seq > sequence:
			content, sequence, record = c, seq, i
		case !ok && isZero(b):
			blank++
		case !ok:
			damaged++
		}
	}
	// A record that a power cut tore, or a sector that cannot be read, is no loss while the other one is whole. The very
	// first write torn leaves the other one blank: nothing had been kept yet.
	if sequence > 0 || blank > 0 && failed == nil {
		return content, sequence, record, nil
	}
	if failed != nil {
		return nil, 0, 0, failed
	}
	return nil, 0, 0, &DamagedSlotError{s.kind.file}
}

func (s slot) parse(b []byte) ([]byte, uint64, bool) {
	n := binary.LittleEndian.Uint32(b[24:])
	if string(b[:8]) != slotMagic || int64(n) > s.kind.record-slotHeader || string(b[8:16]) != s.name() {
		return nil, 0, false
	}
	content := b[slotHeader : slotHeader+int(n)]
	if slotSum(b[:32], content) != [32]byte(b[32:64]) {
		return nil, 0, false
	}
	return content, binary.LittleEndian.Uint64(b[16:]), true
}

func (s slot) name() string { return string(append([]byte(s.kind.file), make([]byte, 8)...)[:8]) }

func slotSum(head, content []byte) [32]byte {
	h := blake3.New()
	_, _ = h.Write(head)
	_, _ = h.Write(content)
	return [32]byte(h.Sum(nil))
}

// store writes content into the record that does not count and returns when it is durable.
func (s slot) store(content []byte) error {
	if int64(len(content)) > s.kind.record-slotHeader {
		return &tooLargeError{s.kind.file, len(content), s.kind.record - slotHeader}
	}
	_, sequence, record, err := s.load()
	if _, damaged := err.(*DamagedSlotError); err != nil && !damaged {
		return err
	}
	if sequence == math.MaxUint64 {
		return &DamagedSlotError{s.kind.file}
	}
	if sequence > 0 {
		record = 1 - record
	}
	b := make([]byte, slotHeader, slotHeader+len(content))
	copy(b, slotMagic)
	copy(b[8:16], s.kind.file)
	binary.LittleEndian.PutUint64(b[16:], sequence+1)
	binary.LittleEndian.PutUint32(b[24:], uint32(len(content)))
	sum := slotSum(b[:32], content)
	copy(b[32:], sum[:])
	if _, err := s.d.WriteAt(append(b, content...), s.offset+int64(record)*s.kind.record); err != nil {
		return fmt.Errorf("writing slot %s: %w", s.kind.file, err)
	}
	return s.d.Flush()
}

// loadJSON fills v. It returns false when the slot was never written or is cleared.
func (s slot) loadJSON(v any) (bool, error) {
	b, _, _, err := s.load()
	if err != nil || len(b) == 0 {
		return false, err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return false, &DamagedSlotError{s.kind.file}
	}
	return true, nil
}

func (s slot) storeJSON(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding slot %s: %w", s.kind.file, err)
	}
	return s.store(b)
}

// MarkSlot keeps the mark of an unfinished disk. It implements restore.Marker.
type MarkSlot struct{ s slot }

// Load returns the mark that stands, or nil. *DamagedSlotError should be taken for a mark that stands.
func (k MarkSlot) Load() (*job.Mark, error) {
	var m job.Mark
	if ok, err := k.s.loadJSON(&m); !ok {
		return nil, err
	}
	return &m, nil
}

// Set keeps m and returns when it is durable.
func (k MarkSlot) Set(_ context.Context, m job.Mark) error { return k.s.storeJSON(m) }

// Clear takes the mark away and returns when that is durable.
func (k MarkSlot) Clear(context.Context) error { return k.s.store(nil) }

// KeySlot keeps the computer's private key where there is no TPM.
type KeySlot struct{ s slot }

// Load returns the key, or nil if there is none.
func (k KeySlot) Load() ([]byte, error) {
	b, _, _, err := k.s.load()
	return b, err
}

// Store keeps key, at most MaxKey bytes.
func (k KeySlot) Store(key []byte) error {
	if len(key) > MaxKey {
		return fmt.Errorf("writing slot KEY: %d bytes, at most %d", len(key), MaxKey)
	}
	return k.s.store(key)
}

// GrantSlot keeps the standing grant for resets without a server.
type GrantSlot struct{ s slot }

// Load returns the envelope as it was stored, or nil. Its signature is for the caller to check.
func (k GrantSlot) Load() (*job.Envelope, error) {
	var e job.Envelope
	if ok, err := k.s.loadJSON(&e); !ok {
		return nil, err
	}
	return &e, nil
}

// Store keeps an envelope whose signature the caller has checked. A grant with a lower counter than the kept one is
// refused with *LowerCounterError.
func (k GrantSlot) Store(e job.Envelope) error {
	var next, have job.StandingGrant
	if err := json.Unmarshal(e.Payload, &next); err != nil {
		return fmt.Errorf("reading the standing grant: %w", err)
	}
	old, err := k.Load()
	if _, damaged := err.(*DamagedSlotError); err != nil && !damaged {
		return err
	}
	if old != nil && json.Unmarshal(old.Payload, &have) == nil && next.Counter < have.Counter {
		return &LowerCounterError{Have: have.Counter, Got: next.Counter}
	}
	return k.s.storeJSON(e)
}

// Clear takes the grant away, and with it the counter: another one comes only over a proven connection.
func (k GrantSlot) Clear() error { return k.s.store(nil) }

// Trust is what a computer has learned from its server over a connection it had proven.
type Trust struct {
	CA          string       // SHA-256 of the CA certificate's DER, 64 hexadecimal digits
	SigningKeys []string     // ed25519 public keys that may sign manifests and tasks, base64
	StageTwo    job.StageTwo // hash and size of the second stage
}

// TrustSlot keeps a Trust.
type TrustSlot struct{ s slot }

// Load returns what is kept, or nil.
func (k TrustSlot) Load() (*Trust, error) {
	var t Trust
	if ok, err := k.s.loadJSON(&t); !ok {
		return nil, err
	}
	return &t, nil
}

// Store keeps t.
func (k TrustSlot) Store(t Trust) error { return k.s.storeJSON(t) }
