package multicast

import (
	"time"

	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// SenderOptions are the limits of a session. The zero value is a session that finds its rate itself.
type SenderOptions struct {
	Rate     int64         // bytes of UDP payload a second, fixed; 0: found by reports
	Start    int64         // bytes of UDP payload a second to start with; 0: 5,000,000
	Cap      int64         // bytes of UDP payload a second that all streams together may take; 0: no limit
	Expected int           // members to wait for before data is sent; 0: whoever comes in the hold-off
	HoldOff  time.Duration // after the first join, for the others; 0: 20 s
}

// Member is what a computer says of itself when it joins.
type Member struct {
	Name      string // for people
	Link      int64  // bit/s of its interface, 0 unknown
	Multicast bool   // it can hear multicast: no Wi-Fi, an interface, an address
}

// Sender decides what a session sends, to whom and when.
type Sender struct{}

// NewSender returns the sender of a new session.
func NewSender(o SenderOptions) *Sender { return nil }

// Announce adds a generation, which must pass its Check and have the next number. Its first pass follows those of the
// generations before.
func (s *Sender) Announce(now time.Time, g wire.Generation) {}

// Join adds a member, or greets one again that was restarted: what it reported before is forgotten.
func (s *Sender) Join(now time.Time, member uint32, m Member) wire.Orders { return wire.Orders{} }

// Leave forgets a member.
func (s *Sender) Leave(now time.Time, member uint32) {}

// Report takes a member's report and returns its orders. The report must have passed its Check. A member that has not
// joined is told to fetch by HTTPS.
func (s *Sender) Report(now time.Time, r wire.Report) wire.Orders { return wire.Orders{} }

// Next returns the next symbol and the time before which it must not be sent. With the symbol it is counted as sent.
// ok is false when there is nothing to send: until the next report or announcement, or until at, where that is not zero.
func (s *Sender) Next(now time.Time) (sym Symbol, at time.Time, ok bool) { return Symbol{}, time.Time{}, false }

// Ready tells whether the hold-off is over: everyone expected has joined and said what it misses (its first report with
// Needs or Deficits), or the hold-off has passed since the first join. at is when to ask again at the latest.
// Generations from 1 on are composed and announced by the driver when it is.
func (s *Sender) Ready(now time.Time) (ready bool, at time.Time) { return false, time.Time{} }

// Demand returns how many bytes of first passes are left, and how long they take at the present rate. The next
// generation is due when that is less than a second.
func (s *Sender) Demand() (bytes int64, left time.Duration) { return 0, 0 }

// SetCap changes the limit of bytes a second for all streams together; 0 is none.
func (s *Sender) SetCap(now time.Time, bytes int64) {}

// Finish says that no generation will follow. Members that lack nothing are then told that the session is over, and so
// is everyone when there is nothing left that multicast should send.
func (s *Sender) Finish(now time.Time) {}

// Done tells whether Finish was called and every member that still reports is done.
func (s *Sender) Done(now time.Time) bool { return false }

// Status returns what people see.
func (s *Sender) Status(now time.Time) Status { return Status{} }
