package wire

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/ardoise/ardoise/masters/manifest"
)

// Join is what a PC says when it comes into a session.
type Join struct {
	Manifest  manifest.Hash // of the master that it wants
	Name      string        `json:",omitempty"` // for people; who it is the transport has proven
	Link      int64         `json:",omitempty"` // bit/s of its interface, 0 unknown
	MTU       int           `json:",omitempty"` // bytes, 0 unknown
	Multicast bool          // it can hear multicast: no Wi-Fi, an interface, an address
}

// Channel is where one stream is sent.
type Channel struct {
	Stream uint8
	Group  netip.AddrPort
	Source netip.AddrPort // where its packets come from: others need not be looked at; may be zero
}

// Joined is the server's answer to Join. It holds the session's secret and travels over TLS only.
type Joined struct {
	Session  uint32
	Member   uint32
	Master   uint16 // which of the session's masters is the wanted one: its place in the bundle
	Secret   []byte // of the session; with Salt it makes the keys of the streams
	Salt     []byte
	Channels []Channel
	Orders   Orders
}

// GenerationRuns gives a value to each block of one generation.
type GenerationRuns struct {
	Generation uint16
	Runs       Runs
}

// MasterRuns gives a need to each chunk of one master's catalogue: Held, Missing or Unknown.
type MasterRuns struct {
	Master uint16
	Runs   Runs
}

// Event is something that a person should hear of, from a PC.
type Event struct {
	Code       string // what happened, for programs: one of the Event constants
	Generation uint16 `json:",omitempty"`
	Block      uint32 `json:",omitempty"`
	Count      uint64 `json:",omitempty"` // how often, how many
	Text       string `json:",omitempty"` // detail
}

// Codes of events.
const (
	EventPolluted    = "polluted"     // a block of authentic packets did not have the content that the plan names
	EventForged      = "forged"       // packets with a wrong tag came to the group
	EventInsider     = "insider"      // authentic packets came that the server had not sent: somebody in the session made them
	EventNoMulticast = "no-multicast" // nothing was heard for 3 s
	EventDisk        = "disk"         // the disk refused a write
	EventUnreadable  = "unreadable"   // the server could not read a frame of its store
)

// Report is what a PC tells in each interval. All counts are cumulative since it joined, so a lost report does no harm.
type Report struct {
	Member      uint32
	Stream      uint8
	Interval    uint16           // the last one whose packets were seen
	Sequence    uint64           // highest seen in this stream
	Packets     uint64           // authentic ones of this stream
	Lost        uint64           // missing below Sequence since this stream was joined
	Window      Span             // what it got of the last of the sender's intervals
	Bytes       uint64           // of multicast received
	SocketDrops uint64           // lost in this PC, not in the network
	Buffer      uint8            // how much of it is free, 0 ..= 100
	Queued      int64            `json:",omitempty"` // bytes that have come to this PC and that it has not read yet
	DiskRate    int64            // bytes of frames a second that were written in the last interval, 0 unknown
	Deficits    []GenerationRuns `json:",omitempty"`
	Needs       []MasterRuns     `json:",omitempty"` // when they have changed
	Events      []Event          `json:",omitempty"`
	Done        bool             `json:",omitempty"`
}

// Span is what a PC got in one of the sender's intervals: all packets of one were sent at one rate.
type Span struct {
	First, Last uint64 // sequences, lowest and highest seen
	Packets     uint64
}

// Limits of a report.
const (
	// MaxReport is the most bytes of a report in JSON.
	MaxReport = 1 << 20
	// MaxGenerations is the most generations of one session: numbers are never used twice.
	MaxGenerations = 1 << 16
	// MaxEvents is the most events of one report.
	MaxEvents = 32
	// MaxText is the most bytes of an event's code and of its text.
	MaxText = 256
)

// ReportError says why a report is refused.
type ReportError struct{ Reason string }

// Error implements error.
func (e *ReportError) Error() string { return "report: " + e.Reason }

// ParseReport reads a report from JSON of at most MaxReport bytes and checks it; else *ReportError.
func ParseReport(b []byte) (Report, error) {
	if len(b) > MaxReport {
		return Report{}, &ReportError{Reason: fmt.Sprintf("%d bytes", len(b))}
	}
	var r Report
	if err := json.Unmarshal(b, &r); err != nil {
		return Report{}, &ReportError{Reason: err.Error()}
	}
	return r, r.Check()
}

// Check returns a *ReportError unless the report is within the limits.
func (r Report) Check() error {
	switch {
	case r.Stream >= Streams:
		return &ReportError{Reason: fmt.Sprintf("stream %d", r.Stream)}
	case r.Buffer > 100:
		return &ReportError{Reason: fmt.Sprintf("%d %% of the buffer is free", r.Buffer)}
	case r.Queued < 0:
		return &ReportError{Reason: fmt.Sprintf("%d bytes not read yet", r.Queued)}
	case r.DiskRate < 0:
		return &ReportError{Reason: fmt.Sprintf("disk of %d bytes a second", r.DiskRate)}
	case len(r.Deficits) > MaxGenerations || len(r.Needs) > MaxMasters || len(r.Events) > MaxEvents:
		return &ReportError{Reason: "too long"}
	}
	for _, e := range r.Events {
		if len(e.Code) > MaxText || len(e.Text) > MaxText {
			return &ReportError{Reason: "an event too long"}
		}
	}
	for _, n := range r.Needs {
		for _, run := range n.Runs {
			if run.Value > Missing && run.Value != Unknown {
				return &ReportError{Reason: fmt.Sprintf("need %d of a chunk", run.Value)}
			}
		}
	}
	return nil
}

// Orders is the answer to a report.
type Orders struct {
	Interval    time.Duration    // between reports
	Phase       time.Duration    // of this PC's reports within the interval
	Stream      uint8            // which stream to listen to
	Sequences   [Streams]uint64  // that the streams have come to: what is far ahead of it the server did not send
	Ahead       bool             `json:",omitempty"` // the report told of more than was sent; its stream's counts begin anew
	HTTPS       bool             `json:",omitempty"` // fetch everything by HTTPS, listen to no stream
	Generations []Generation     `json:",omitempty"` // all so far
	Rescue      []GenerationRuns `json:",omitempty"` // blocks (value 1) whose symbols the PC shall ask for by HTTPS
	End         bool             `json:",omitempty"` // the session is over: what is missing comes by HTTPS
}

// Ask is a PC's request for symbols over TLS.
type Ask struct {
	Member     uint32
	Generation uint16
	Blocks     []BlockAsk
}

// BlockAsk names symbols of one block.
type BlockAsk struct {
	Block   uint32
	Symbols []byte // their numbers; in JSON base64
}
