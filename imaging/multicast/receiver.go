package multicast

import (
	"time"

	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// ReceiverOptions describe one computer in a session.
type ReceiverOptions struct {
	Member uint32
	Memory int64 // bytes of symbols that may be held: incomplete blocks, and complete ones until they are written
}

// Verdict says what to do with a symbol.
type Verdict struct {
	Keep     bool // keep the symbol's bytes for its block
	Complete bool // the block has as many symbols as it has sources: decode, prove and write it, then say Written
	Dropped  bool // memory is full: forget all symbols of the block DropGeneration, DropBlock; they will be sent again

	DropGeneration uint16
	DropBlock      uint32
}

// Disk is what the driver knows of its pipeline when it reports.
type Disk struct {
	Rate        int64 // bytes of frames a second that were written in the last interval, 0 unknown
	SocketDrops uint64
	Needs       []wire.MasterRuns // when they have changed
	Events      []wire.Event
	Done        bool // everything that the computer needs was written and proven
}

// Receiver decides what one computer keeps, reports and asks for, in one session. After a restart of the server a new
// one is made; what was written the driver knows, and says by Want.
type Receiver struct{}

// NewReceiver returns the receiver of a member that joined at now and got those orders.
func NewReceiver(now time.Time, o ReceiverOptions, orders wire.Orders) *Receiver { return nil }

// Obey takes the orders that came in answer to a report.
func (r *Receiver) Obey(now time.Time, o wire.Orders) {}

// Stream returns which stream to listen to; listen is false when everything comes by HTTPS. The driver goes on to
// listen to the fast stream even then where it is cheap, so that the server sees when multicast comes back.
func (r *Receiver) Stream() (stream uint8, listen bool) { return 0, false }

// Want says what is needed of a block: once its chunks are known, and again when that changes. Blocks of the index are
// Missing from the start, those of the data Unknown. A block that is Held is dropped: the driver forgets its symbols.
func (r *Receiver) Want(generation uint16, block uint32, need Need) {}

// Receive takes the header of an authentic packet that was not seen before.
func (r *Receiver) Receive(now time.Time, h wire.Header) Verdict { return Verdict{} }

// Rescued takes a symbol that came over TLS.
func (r *Receiver) Rescued(now time.Time, generation uint16, block uint32, symbol uint8) Verdict { return Verdict{} }

// Written says that a complete block has left memory, and everything needed of it was written.
func (r *Receiver) Written(generation uint16, block uint32) {}

// Polluted says that a complete block did not have the content that its hashes ask for. It is fetched again by HTTPS
// alone.
func (r *Receiver) Polluted(generation uint16, block uint32) {}

// ReportAt returns when the next report is due.
func (r *Receiver) ReportAt() time.Time { return time.Time{} }

// Report makes the report that is due.
func (r *Receiver) Report(now time.Time, d Disk) wire.Report { return wire.Report{} }

// Rescue returns what to ask for over TLS now, at most wire.MaxAskBlocks and MaxAskSymbols; ok is false when nothing.
// One request at a time: its symbols go to Rescued before Rescue is called again; what did not come is asked for again.
func (r *Receiver) Rescue(now time.Time) (ask wire.Ask, ok bool) { return wire.Ask{}, false }

// Lacks returns how many needed blocks are not written yet, and how many are unknown.
func (r *Receiver) Lacks() (missing, unknown int) { return 0, 0 }
