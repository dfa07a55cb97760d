package multicast

import (
	"fmt"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// State is how a member takes part in a session.
type State string

// States of members.
const (
	StateFast    State = "fast"    // it gets the fast stream
	StateSlow    State = "slow"    // it gets the slow stream
	StateHTTPS   State = "https"   // it fetches everything by HTTPS
	StateSuspect State = "suspect" // it gets less than half of its stream: its deficits do not count for rounds
	StateSilent  State = "silent"  // it has not reported for five intervals
	StateDone    State = "done"    // it has said that it is done
)

// Status is what people and programs see of a session.
type Status struct {
	Rate       float64        // bytes of UDP payload a second on the wire now, all streams
	Parity     int            // pro-active parity symbols a block
	First      int64          // bytes of UDP payload sent so far in first passes, without parity
	Proactive  int64          // bytes sent in parity that nobody had asked for
	Rounds     int64          // bytes sent in rounds of demand, in both streams
	Demand     int64          // bytes of first pass that are left
	Wanted     int64          // bytes that rounds would send now for what is known to be lacked
	Lacking    int64          // bytes that the members of the streams lack of what was passed, summed over them
	Left       time.Duration  // until first passes and known demand are sent; 0 when nothing is left
	Members    []MemberStatus // in the order of joining, then those who have left after they were done
	ReportsPer float64        // reports a second that the intervals ask for
}

// MemberStatus is what is seen of one member.
type MemberStatus struct {
	Member  uint32
	Name    string
	State   State
	Rate    float64 // bytes of UDP payload a second that it got in its last interval
	Loss    float64 // 0..1 of the packets of its last interval
	Disk    int64   // bytes a second that its disk took, 0 unknown
	Lacks   int64   // bytes that it lacks of what was passed
	Reason  string  // why it lags: "100 Mb/s link", "disk 38 MB/s", "7 % loss", "no multicast", ...; "" when it does not
	Reports uint64
}

// Status returns what people see.
func (s *Sender) Status(now time.Time) Status {
	status := Status{
		Parity:     s.parity,
		First:      int64(s.sent[0]) * wire.PacketSize,
		Proactive:  int64(s.sent[1]) * wire.PacketSize,
		Rounds:     int64(s.sent[2]) * wire.PacketSize,
		ReportsPer: float64(len(s.order)) / s.Interval().Seconds(),
	}
	for i := range s.streams {
		if st := &s.streams[i]; st.running() && now.Sub(st.nextAt) < leastInterval {
			status.Rate += s.pace(st)
		}
	}
	status.Demand, status.Left = s.Demand()
	rounds := s.demand[groupNear] + s.demand[groupFar]
	status.Wanted = (rounds + s.demand[groupSlow]) * wire.PacketSize
	status.Left += time.Duration(float64(rounds) * wire.PacketSize / s.pace(&s.streams[wire.StreamFast]) * float64(time.Second))
	for _, m := range s.order {
		ms := s.statusOf(m)
		status.Lacking += ms.Lacks
		status.Members = append(status.Members, ms)
	}
	status.Members = append(status.Members, s.gone...)
	return status
}

// statusOf returns what is seen of one member.
func (s *Sender) statusOf(m *member) MemberStatus {
	return MemberStatus{
		Member: m.id, Name: m.Name, State: m.state, Rate: m.sample.got, Loss: m.sample.loss, Disk: m.disk,
		Lacks: m.lack * wire.SymbolSize, Reason: s.reason(m), Reports: m.reports,
	}
}

// reason tells why a member lags, "" when it does not: the limit nearest to what it gets.
func (s *Sender) reason(m *member) string {
	if m.state == StateDone {
		return ""
	}
	if m.cause != "" && m.cause != slowCause {
		return m.cause
	}
	behind := m.state == StateSuspect || m.state == StateSlow || m.state == StateHTTPS || m.group == groupFar
	fast := s.pace(&s.streams[wire.StreamFast])
	switch {
	case m.state == StateSilent:
		return "no report"
	case m.buffer < 50 && m.disk > 0 && (behind || float64(m.disk)*packetShare < fast):
		return fmt.Sprintf("disk %d MB/s", (m.disk+500_000)/1_000_000)
	case behind && m.Link > 0 && float64(m.Link)/8 < fast:
		return fmt.Sprintf("%d Mb/s link", m.Link/1_000_000)
	case (behind || m.base > 0.02) && m.sample.loss >= 0.01:
		return fmt.Sprintf("%.0f %% loss", 100*m.sample.loss)
	case m.cause != "":
		return m.cause
	}
	return ""
}
