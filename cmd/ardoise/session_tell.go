package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast"
	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/imaging/restore"
)

// sentLines tells how a send goes on.
type sentLines struct {
	w       io.Writer
	json    bool
	version string
	now     func() time.Time

	began, at time.Time
	wire      int64             // bytes on the wire until at
	joined    map[uint32]string // every member that was ever seen, and its name
}

// sentLine is a line of JSON of session send.
type sentLine struct {
	Version  string         `json:"version"`
	Seconds  float64        `json:"seconds"`
	WireMBps float64        `json:"wire_mbps"` // MB/s of UDP payload that left in the last second; in the summary of all of them
	DiskMBps float64        `json:"disk_mbps"` // MB/s of the slowest disk that is being written; 0: none is known
	Loss     float64        `json:"loss"`      // 0..1, of the computer on multicast that loses most
	Parity   int            `json:"parity"`    // repair symbols a block that are sent unasked
	Demand   int64          `json:"demand_bytes"`
	Lacking  int64          `json:"lacking_bytes"`
	Left     float64        `json:"left_seconds"`
	Joined   int            `json:"joined"`
	Done     int            `json:"done"`
	Summary  bool           `json:"summary,omitempty"` // the last line
	Session  session.Status `json:"session"`
}

// line makes a line of what a server says.
func (l *sentLines) line(st session.Status, last bool) sentLine {
	now := l.now()
	if l.joined == nil {
		l.joined, l.began, l.at = map[uint32]string{}, st.Started, st.Started
	}
	var bytes int64
	for _, n := range st.Packets {
		bytes += int64(n) * wire.PacketSize
	}
	since, before := l.at, l.wire
	if last {
		since, before = l.began, 0
	}
	out := sentLine{Version: l.version, Seconds: now.Sub(l.began).Seconds(), Parity: st.Sender.Parity, Demand: st.Sender.Demand,
		Lacking: st.Sender.Lacking, Left: st.Sender.Left.Seconds(), Summary: last, Session: st}
	if passed := now.Sub(since).Seconds(); passed > 0 {
		out.WireMBps = float64(bytes-before) / passed / 1e6
	}
	l.at, l.wire = now, bytes
	for _, m := range st.Sender.Members {
		l.joined[m.Member] = m.Name
		switch m.State {
		case multicast.StateDone:
			out.Done++
			continue
		case multicast.StateFast, multicast.StateSlow, multicast.StateSuspect:
			out.Loss = max(out.Loss, m.Loss)
		}
		if disk := float64(m.Disk) / 1e6; disk > 0 && (out.DiskMBps == 0 || disk < out.DiskMBps) {
			out.DiskMBps = disk
		}
	}
	out.Joined = len(l.joined)
	return out
}

// second prints the line of one second.
func (l *sentLines) second(st session.Status) error {
	x := l.line(st, false)
	if l.json {
		return json.NewEncoder(l.w).Encode(x)
	}
	_, err := fmt.Fprintf(l.w, "%5.1f MB/s on the wire  %s  worst loss %.1f %%  parity %d  to send %s  lacking %s  %s left  %d of %d done\n",
		x.WireMBps, diskText(x.DiskMBps), 100*x.Loss, x.Parity, bytesText(x.Demand), bytesText(x.Lacking), st.Sender.Left.Round(time.Second),
		x.Done, x.Joined)
	if err != nil {
		return err
	}
	for _, m := range st.Sender.Members {
		if m.Reason != "" {
			if _, err := fmt.Fprintf(l.w, "          %s: %s, %s\n", oneLine(m.Name), m.State, oneLine(m.Reason)); err != nil {
				return err
			}
		}
	}
	return nil
}

// diskText says how fast the slowest disk is.
func diskText(mbps float64) string {
	if mbps == 0 {
		return "no disk writes"
	}
	return fmt.Sprintf("slowest disk %.1f MB/s", mbps)
}

// last prints the summary, and who has left without everything.
func (l *sentLines) last(st session.Status) error {
	x := l.line(st, true)
	if l.json {
		return json.NewEncoder(l.w).Encode(x)
	}
	n := st.Sender
	_, err := fmt.Fprintf(l.w, "%s sent to %d of %d computers: %s on the wire, %s of it repairs, %s by HTTPS, in %s\n", l.version, x.Done, x.Joined,
		bytesText(n.First+n.Proactive+n.Rounds), bytesText(n.Proactive+n.Rounds), bytesText(int64(st.Rescued)*wire.SymbolSize), seconds(x.Seconds))
	if err != nil || x.Done == x.Joined {
		return err
	}
	without := map[uint32]string{}
	for number, name := range l.joined {
		without[number] = name + ": it has left"
	}
	for _, m := range n.Members {
		if without[m.Member] = m.Name + ": " + string(m.State) + ", " + m.Reason; m.State == multicast.StateDone {
			delete(without, m.Member)
		}
	}
	for _, number := range slices.Sorted(maps.Keys(without)) {
		if _, err := fmt.Fprintf(l.w, "          not finished: %s\n", oneLine(without[number])); err != nil {
			return err
		}
	}
	return nil
}

// receivedLines tells how a receive goes on.
type receivedLines struct {
	w       io.Writer
	json    bool
	version string
	now     func() time.Time
	began   time.Time
	counts  func() session.Summary // of the session so far

	mu     sync.Mutex
	latest restore.Progress

	before [lookBack]reached // the last one first
}

// lookBack is over how many seconds the rate is reckoned that time left follows: blocks are complete sixteen at a time.
const lookBack = 8

// reached is how far a receive was at a moment.
type reached struct {
	at time.Time
	restore.Progress
	counts session.Summary
}

// receivedLine is a line of JSON of session receive. Its last one has Summary and Session.
type receivedLine struct {
	Version      string           `json:"version"`
	Phase        string           `json:"phase"`
	Seconds      float64          `json:"seconds"`
	Done         int64            `json:"done"`
	Total        int64            `json:"total"`
	WireMBps     float64          `json:"wire_mbps"`  // MB/s of packets that came in the last second
	HTTPSMBps    float64          `json:"https_mbps"` // MB/s of symbols that were fetched
	DiskMBps     float64          `json:"disk_mbps"`  // MB/s written to the disk
	Loss         float64          `json:"loss"`       // 0..1 of the last second's packets
	Repaired     uint64           `json:"repaired"`   // symbols that parity replaced so far
	Demand       int64            `json:"demand_bytes"`
	Left         float64          `json:"left_seconds"` // of this phase; -1: not known
	ReadBytes    int64            `json:"read_bytes,omitempty"`
	WrittenBytes int64            `json:"written_bytes"`
	StoredBytes  int64            `json:"stored_bytes"`
	Summary      bool             `json:"summary,omitempty"`
	Carousel     string           `json:"carousel_error,omitempty"`
	Session      *session.Summary `json:"session,omitempty"`
}

func (l *receivedLines) progress(p restore.Progress) {
	l.mu.Lock()
	l.latest = p
	l.mu.Unlock()
}

// line makes the line of one second.
func (l *receivedLines) line() receivedLine {
	l.mu.Lock()
	n := reached{l.now(), l.latest, l.counts()}
	l.mu.Unlock()
	b := l.before[0]
	if b.at.IsZero() {
		b.at = l.began
	}
	out := receivedLine{Version: l.version, Phase: n.Phase, Seconds: n.at.Sub(l.began).Seconds(), Done: n.Done, Total: n.Total,
		Repaired: n.counts.Repaired, Demand: max(n.Total-n.Done, 0), Left: -1, WrittenBytes: n.Written, StoredBytes: n.Fetched}
	if passed := n.at.Sub(b.at).Seconds(); passed > 0 {
		rate := func(now, before int64) float64 { return float64(max(now-before, 0)) / passed / 1e6 }
		out.WireMBps = rate(int64(n.counts.PacketBytes), int64(b.counts.PacketBytes))
		out.HTTPSMBps = rate(n.counts.RescuedBytes, b.counts.RescuedBytes)
		out.DiskMBps = rate(n.Written, b.Written)
	}
	if lost, came := float64(n.counts.Lost)-float64(b.counts.Lost), float64(n.counts.Packets)-float64(b.counts.Packets); lost > 0 {
		out.Loss = lost / (lost + came)
	}
	for _, old := range l.before { // the oldest of this phase counts
		if passed := n.at.Sub(old.at).Seconds(); old.Phase == n.Phase && old.Total == n.Total && n.Done > old.Done && passed > 0 {
			out.Left = float64(out.Demand) * passed / float64(n.Done-old.Done)
		}
	}
	copy(l.before[1:], l.before[:lookBack-1])
	l.before[0] = n
	return out
}

// second prints the line of one second.
func (l *receivedLines) second() error {
	x := l.line()
	if l.json {
		return json.NewEncoder(l.w).Encode(x)
	}
	share, left := 0.0, "?"
	if x.Total > 0 {
		share = 100 * float64(x.Done) / float64(x.Total)
	}
	if x.Left >= 0 {
		left = (time.Duration(x.Left * float64(time.Second))).Round(time.Second).String()
	}
	_, err := fmt.Fprintf(l.w, "%-9s %3.0f %%  %5.1f MB/s on the wire  %5.1f MB/s by HTTPS  %5.1f MB/s to the disk  %.1f %% lost  %d repaired by parity  to come %s  %s left\n",
		x.Phase, share, x.WireMBps, x.HTTPSMBps, x.DiskMBps, 100*x.Loss, x.Repaired, bytesText(x.Demand), left)
	return err
}

// last prints the summary.
func (l *receivedLines) last(r restore.Report, s session.Summary) error {
	passed := l.now().Sub(l.began).Seconds()
	if l.json {
		x := l.line()
		x.Phase, x.Demand, x.Left, x.Summary, x.Carousel, x.Session = "done", 0, 0, true, r.CarouselError, &s
		x.ReadBytes, x.WrittenBytes, x.StoredBytes = r.ReadBytes, r.WrittenBytes, r.FetchedBytes
		return json.NewEncoder(l.w).Encode(x)
	}
	_, err := fmt.Fprintf(l.w, "%s received and read back: %s by multicast, %d packets lost, %d repaired by parity, %s by HTTPS, %s written, in %s\n",
		l.version, bytesText(int64(s.PacketBytes)), s.Lost, s.Repaired, bytesText(s.RescuedBytes), bytesText(r.WrittenBytes), seconds(passed))
	return err
}
