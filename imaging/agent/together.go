package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/agent/screen"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/imaging/multicast/udp"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters/manifest"
)

const (
	manifestPatience = 30 * time.Second // for the manifest by the session; then it is fetched as ever
	sessionPatience  = 5 * time.Minute  // for a server that went away in mid-session: it may be restarting
	forgedFrom       = 10               // packets with a wrong tag that are worth a word: fewer may be a bad cable
)

// Air is how multicast reaches a PC. The zero value: not at all.
type Air struct {
	Link   func() (udp.Link, error)                            // the interface that the PC uses; nil: no multicast
	Tagged func(name string) bool                              // the interface is in a VLAN; nil: it is not
	Quiet  func(name string) (restore func() error, err error) // no pause frames from it; nil: they stay as they are
	Listen func(wire.Channel) (session.PacketReceiver, error)  // nil: udp.Listen on the interface of Link
	Memory int64                                               // bytes of packets that may be held; 0: a quarter of the RAM
}

// together is a deploy's part in a multicast session. A nil one has none, and never had.
type together struct {
	a      *agent
	master string
	m      *manifest.Manifest
	frames *client.Frames // what HTTPS brought besides
	calm   func() error   // restores pause frames; nil where they were not changed

	mu      sync.Mutex
	client  *session.Client // nil when there is none, or it has left: its memory is needed for other things
	counts  session.Summary // of the one that has left
	r       job.Reception
	joins   int    // that the server has agreed to
	reports int    // that it has taken
	refused string // why it lets us in no more; "" when it does
	trouble string // what it said last when it did not let us in
	giveUp  func() // ends the wait for the manifest
	came    bool   // the manifest came by the session
	forged  bool   // said
	last    sample
}

// sample is what had come at a moment.
type sample struct {
	at            time.Time
	wire, written int64
}

var _ restore.Carousel = (*together)(nil)

// join asks to take part in the session that the task names. It does not wait for an answer.
func (a *agent) join(t job.Task) *together {
	if t.Session == "" {
		return nil
	}
	s := &together{a: a, master: fmt.Sprintf("%s@%d", t.Master, t.Version), frames: a.client.Frames(),
		r: job.Reception{ID: t.Session, State: job.ReceptionJoining}}
	if err := s.frames.Share(); err != nil {
		a.Screen.Note("peers: %v", err)
	}
	hash, err := manifest.ParseHash(t.Manifest)
	if err != nil {
		s.alone(err.Error())
		return s
	}
	web, url, err := a.client.Session(t.Session, s.answered)
	if err != nil {
		s.alone(err.Error())
		return s
	}
	o := session.ClientOptions{HTTP: web, URL: url, Manifest: hash, Name: notices.Printable(t.Computer, 40),
		Memory: a.PC.Air.Memory, GiveUp: sessionPatience, Now: time.Now, Log: a.log(), Notice: s.notice}
	s.tune(&o)
	s.client = session.NewClient(o)
	return s
}

// tune finds out how multicast comes in, and has the PC keep its switch from holding frames back for it.
func (s *together) tune(o *session.ClientOptions) {
	air := s.a.PC.Air
	if air.Link == nil {
		return
	}
	on, err := air.Link()
	if err != nil {
		s.a.Screen.Say(notices.NoMulticast, cmp.Or(on.Name, "-"), err)
		return
	}
	if on.Wireless || air.Tagged != nil && air.Tagged(on.Name) {
		s.a.Screen.Say(notices.Wireless, on.Name)
		return
	}
	if on.Half {
		s.a.Screen.Say(notices.HalfDuplex, on.Name)
	}
	o.Interface, o.Link, o.MTU, o.Listen = on.Name, int64(on.Mbit)*1e6, on.MTU, air.Listen
	s.r.Interface = on.Name
	if air.Quiet == nil {
		return
	}
	calm, err := air.Quiet(on.Name)
	switch {
	case err == nil:
		s.calm = calm
	case !errors.Is(err, udp.ErrNoPause):
		s.a.Screen.Note("pause frames: %v", err)
	}
}

// answered hears what the server says to the session's client: whether we are in, and why not.
func (s *together) answered(said client.SessionAnswer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	agreed := said.Status/100 == 2
	switch {
	case said.Route == "report" && agreed:
		s.reports++
		s.refused = ""
	case said.Route == "join" && agreed:
		s.joins++
		s.refused = ""
		if s.joins > 1 && s.reports == 0 {
			s.refused = "the server's answers are not those of a session"
		}
	case said.Route == "join":
		s.trouble = said.Reason
		if said.Status/100 == 4 && said.Status != http.StatusRequestTimeout && said.Status != http.StatusTooManyRequests {
			s.refused = said.Reason
		}
	}
	if s.refused != "" && s.giveUp != nil {
		s.giveUp()
	}
}

// manifest returns the manifest as the session brings it, unproven; false when it does not.
func (s *together) manifest(ctx context.Context) ([]byte, manifest.Signature, bool) {
	c := s.member()
	if c == nil {
		return nil, manifest.Signature{}, false
	}
	ctx, stop := context.WithTimeout(ctx, manifestPatience)
	defer stop()
	s.mu.Lock()
	s.giveUp = stop
	s.mu.Unlock()
	encoded, signature, err := c.Manifest(ctx)
	s.mu.Lock()
	s.giveUp = nil
	s.came = err == nil
	s.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		s.a.Screen.Note("manifest of the session: %v", err)
	}
	return encoded, signature, err == nil
}

// settle decides, when the disk is about to be written, whether the session is waited for: only if it has let us in by
// now. m is the proven manifest.
func (s *together) settle(m *manifest.Manifest) {
	if s.member() == nil {
		return
	}
	s.m = m
	s.mu.Lock()
	in, reason := s.refused == "" && (s.came || s.reports > 0), cmp.Or(s.refused, s.trouble, "the server has not answered")
	s.mu.Unlock()
	if !in {
		s.alone(reason)
		return
	}
	s.say(job.ReceptionOn, "")
	s.a.Screen.Say(notices.Together, s.master)
}

// alone leaves the session before it has brought anything.
func (s *together) alone(reason string) {
	s.say(job.ReceptionNone, reason)
	s.a.Screen.Say(notices.NoSession, strings.TrimSuffix(reason, "."))
	s.leave()
}

// carousel returns the session for a restore; nil when there is none.
func (s *together) carousel() restore.Carousel {
	if s == nil || s.state() != job.ReceptionOn {
		return nil
	}
	return s
}

// Run implements restore.Carousel.
func (s *together) Run(ctx context.Context, r restore.Receiver) error {
	c := s.member()
	if c == nil {
		return errors.New("the session was left")
	}
	sum, err := c.Run(ctx, s.m, r)
	s.leave() // the line belongs to those who still receive
	switch {
	case ctx.Err() != nil: // the disk or a person ended it
	case err == nil && sum.Left == 0:
		s.say(job.ReceptionOver, "")
	default:
		reason := sum.Reason
		if reason == "" && err != nil {
			reason = err.Error()
		}
		s.say(job.ReceptionEnded, reason)
		s.a.Screen.Say(notices.SessionEnded, strings.TrimSuffix(reason, "."))
		s.a.Screen.Say(notices.Deploying, s.master)
	}
	return err
}

// leave tells the server that we need nothing any more, and joins no group any more.
func (s *together) leave() {
	c := s.member()
	if c == nil {
		return
	}
	c.Close()
	counts := c.Counts()
	s.mu.Lock()
	s.client, s.counts = nil, counts
	s.mu.Unlock()
}

// member returns the session's client, nil when there is none.
func (s *together) member() *session.Client {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.client
}

// restorePause puts pause frames back. The link may go down for it, so it comes last.
func (s *together) restorePause() {
	if s == nil || s.calm == nil {
		return
	}
	if err := s.calm(); err != nil {
		s.a.Screen.Note("pause frames: %v", err)
	}
}

// notice says on the screen what the session's client wants a person to see. It must not ask that client anything.
func (s *together) notice(e wire.Event) {
	switch e.Code {
	case wire.EventNoMulticast:
		s.mu.Lock()
		name := s.r.Interface
		s.mu.Unlock()
		s.a.Screen.Say(notices.NoMulticast, name, "no packet came within 3 s")
	case session.EventFlooded:
		s.a.Screen.Note("session: this switch sends multicast to every port: %s", e.Text)
	default:
		s.a.Screen.Note("session: %s generation %d block %d %s", e.Code, e.Generation, e.Block, e.Text)
	}
}

func (s *together) say(state, reason string) {
	s.mu.Lock()
	s.r.State, s.r.Reason = state, notices.Printable(reason, 300)
	s.mu.Unlock()
	s.a.Screen.Note("session %s %s %s", s.r.ID, state, reason)
}

func (s *together) state() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.State
}

// look returns how the reception goes, given what the restore has fetched and written in all; rates are since the last
// look that was at least half a second ago.
func (s *together) look(fetched, written int64) *job.Reception {
	if s == nil {
		return nil
	}
	if c := s.member(); c != nil {
		n := c.Counts()
		s.mu.Lock()
		if s.client == c {
			s.counts = n
		}
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.counts
	rescued := min(n.RescuedBytes, n.FrameBytes)
	// Symbols are counted when they come, frames when they are written: what was told once is not taken back.
	s.r.Multicast = max(s.r.Multicast, n.FrameBytes-rescued)
	s.r.HTTPS, s.r.Peers = rescued+s.frames.Fetched(), s.frames.FromPeers()
	s.r.Packets, s.r.Lost, s.r.Repaired, s.r.Forged = n.Packets, n.Lost, n.Repaired, n.Forged
	now := time.Now()
	if passed := now.Sub(s.last.at).Seconds(); passed >= 0.5 {
		if !s.last.at.IsZero() {
			s.r.WireRate = int64(float64(max(fetched-s.last.wire, 0)) / passed)
			s.r.DiskRate = int64(float64(max(written-s.last.written, 0)) / passed)
		}
		s.last = sample{now, fetched, written}
	}
	if s.r.Forged >= forgedFrom && !s.forged {
		s.forged = true
		s.a.Screen.Say(notices.Forged, s.r.Forged)
	}
	lost := 0.0
	if all := s.r.Packets + s.r.Lost; all > 0 {
		lost = float64(s.r.Lost) / float64(all)
	}
	s.a.Screen.Rates(screen.Rates{Wire: s.r.WireRate, Disk: s.r.DiskRate, Lost: lost})
	r := s.r
	return &r
}

// log is where the session's client writes: the serial line.
func (a *agent) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(noteWriter{a}, &slog.HandlerOptions{Level: slog.LevelWarn,
		ReplaceAttr: func(groups []string, at slog.Attr) slog.Attr {
			if len(groups) == 0 && (at.Key == slog.TimeKey || at.Key == slog.LevelKey) {
				return slog.Attr{}
			}
			return at
		}}))
}

// noteWriter makes each line a note.
type noteWriter struct{ a *agent }

// Write implements io.Writer.
func (w noteWriter) Write(b []byte) (int, error) {
	w.a.Screen.Note("session: %s", strings.TrimSpace(string(b)))
	return len(b), nil
}
