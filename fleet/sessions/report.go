package sessions

import (
	"time"

	"github.com/ardoise/ardoise/imaging/multicast"
	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// Bounds of a report.
const (
	maxSamples = 1800 // half an hour at one a second; then each stands for two seconds, for four, ...
	maxMarks   = 3000
)

// Report is what people and programs see of a session, while it runs and afterwards.
type Report struct {
	ID      string    `json:"id"`
	Jobs    []string  `json:"jobs"`
	Started time.Time `json:"started"` // the first join
	Ended   time.Time `json:"ended,omitzero"`
	Starts  int       `json:"starts"` // of its sender; more than 1 where it ended in between, or the daemon
	Joined  int       `json:"joined"` // computers that ever did
	Done    int       `json:"done"`   // of these, those that got everything
	Sent    int64     `json:"sent_bytes"`
	Repairs int64     `json:"repair_bytes"` // of these, parity and what was sent again
	HTTPS   int64     `json:"https_bytes"`  // of symbols that were fetched one by one
	Now     State     `json:"now"`          // as last seen

	Every     int      `json:"sample_seconds,omitempty"` // that each sample stands for
	Samples   []Sample `json:"samples,omitempty"`
	Marks     []Mark   `json:"marks,omitempty"`
	MarksLost int      `json:"marks_lost,omitempty"` // that found no room

	pending []Sample // not yet one of Every seconds
}

// Sample is what a session did in one span of time.
type Sample struct {
	At      int64   `json:"t"`       // seconds since Started
	Rate    int64   `json:"rate"`    // bytes of UDP payload a second on the wire
	Demand  int64   `json:"demand"`  // bytes that have still to be sent for the first time
	Lacking int64   `json:"lacking"` // bytes that computers lack of what was sent, summed over them
	Loss    float64 `json:"loss"`    // 0..1, of the computer on multicast that loses most
	Parity  int     `json:"parity"`  // repair symbols a block that are sent unasked
	Disk    int64   `json:"disk"`    // bytes a second that the slowest disk takes of those that have still to get something, 0 unknown
	Fast    int     `json:"fast"`    // computers on the stream
	Slow    int     `json:"slow"`    // on the slow stream
	HTTPS   int     `json:"https"`   // that fetch by HTTPS
	Silent  int     `json:"silent"`
	Done    int     `json:"done"`
}

// Mark is a moment of a session.
type Mark struct {
	At       int64  `json:"t"`    // seconds since Started
	Kind     string `json:"kind"` // of the Mark constants, or an event's code of imaging/multicast/wire
	Computer string `json:"computer,omitempty"`
	Text     string `json:"text,omitempty"`
}

// Kinds of marks.
const (
	MarkStart    = "start"    // a sender begins
	MarkJoin     = "join"     // a computer joins, or comes back
	MarkDemoted  = "demoted"  // to the slow stream or to HTTPS
	MarkPromoted = "promoted" // back to a faster stream
	MarkSilent   = "silent"   // a computer does not report
	MarkDone     = "done"     // a computer has everything
	MarkStop     = "stop"     // the sender ends
	MarkTrouble  = "trouble"  // of the sender
)

// State is how a session stands.
type State struct {
	Running bool    `json:"running"` // a sender runs
	Waiting bool    `json:"waiting"` // for more computers, before it sends
	Left    float64 `json:"left_seconds"`
	Sample
	Expected int      `json:"expected"`          // computers whose tasks are not over
	Members  []Member `json:"members,omitempty"` // those that have joined this sender
}

// Member is how a computer takes part.
type Member struct {
	Computer string  `json:"computer"` // name
	State    string  `json:"state"`    // fast, slow, https, suspect, silent, done
	Rate     int64   `json:"rate"`     // bytes of UDP payload a second
	Loss     float64 `json:"loss"`     // 0..1
	Disk     int64   `json:"disk"`     // bytes a second that its disk takes, 0 unknown
	Lacks    int64   `json:"lacks"`    // bytes of what was sent
	Reason   string  `json:"reason,omitempty"`
}

// brief is the report without what grows.
func (r *Report) brief() Report {
	out := *r
	out.Samples, out.Marks, out.pending = nil, nil, nil
	return out
}

// add adds a sample of a second. Where there is no room, each two become one: a picture needs no more.
func (r *Report) add(s Sample) {
	r.Every = max(r.Every, 1)
	if r.pending = append(r.pending, s); len(r.pending) < r.Every {
		return
	}
	r.Samples = append(r.Samples, joined(r.pending))
	r.pending = r.pending[:0]
	if len(r.Samples) < maxSamples {
		return
	}
	for i := range len(r.Samples) / 2 {
		r.Samples[i] = joined(r.Samples[2*i : 2*i+2])
	}
	r.Samples = r.Samples[:len(r.Samples)/2]
	r.Every *= 2
}

// joined makes one sample of several: mean rate, worst loss, and how it stood at the end.
func joined(all []Sample) Sample {
	out := all[len(all)-1]
	out.At, out.Rate = all[0].At, 0
	for _, s := range all {
		out.Rate += s.Rate
		out.Loss = max(out.Loss, s.Loss)
		out.Parity = max(out.Parity, s.Parity)
	}
	out.Rate /= int64(len(all))
	return out
}

// mark adds a moment.
func (r *Report) mark(now time.Time, kind, computer, text string) {
	if len(r.Marks) == maxMarks {
		r.MarksLost++
		return
	}
	r.Marks = append(r.Marks, Mark{At: r.since(now), Kind: kind, Computer: computer, Text: text})
}

// since is the time since the report began, in seconds.
func (r *Report) since(now time.Time) int64 { return max(int64(now.Sub(r.Started)/time.Second), 0) }

// stateOf reads the state of a session whose sender says st.
func stateOf(st session.Status, bytes int64, at int64) State {
	out := State{Running: true, Waiting: st.Generations == 1, Left: st.Sender.Left.Seconds()}
	out.At, out.Rate, out.Demand, out.Lacking, out.Parity = at, bytes, st.Sender.Demand, st.Sender.Lacking, st.Sender.Parity
	for _, m := range st.Sender.Members {
		switch m.State {
		case multicast.StateFast, multicast.StateSuspect:
			out.Fast++
		case multicast.StateSlow:
			out.Slow++
		case multicast.StateHTTPS:
			out.HTTPS++
		case multicast.StateSilent:
			out.Silent++
		case multicast.StateDone:
			out.Done++
		}
		if m.State == multicast.StateFast || m.State == multicast.StateSlow || m.State == multicast.StateSuspect {
			out.Loss = max(out.Loss, m.Loss)
		}
		if m.State != multicast.StateDone && m.Disk > 0 && (out.Disk == 0 || m.Disk < out.Disk) {
			out.Disk = m.Disk
		}
		out.Members = append(out.Members, Member{Computer: m.Name, State: string(m.State), Rate: int64(m.Rate), Loss: m.Loss,
			Disk: m.Disk, Lacks: m.Lacks, Reason: m.Reason})
	}
	return out
}

// sentBytes is what a sender has sent so far, in bytes of UDP payload.
func sentBytes(st session.Status) int64 {
	var packets uint64
	for _, n := range st.Packets {
		packets += n
	}
	return int64(packets) * wire.PacketSize
}

// rank orders states by how fast they are; those that say nothing about it have none.
func rank(state string) int {
	switch multicast.State(state) {
	case multicast.StateFast, multicast.StateSuspect:
		return 3
	case multicast.StateSlow:
		return 2
	case multicast.StateHTTPS:
		return 1
	}
	return 0
}
