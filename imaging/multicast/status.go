package multicast

import "time"

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
	Rate       float64       // bytes of UDP payload a second on the wire now, all streams
	Parity     int           // pro-active parity symbols a block
	First      int64         // bytes of UDP payload sent so far in first passes, without parity
	Proactive  int64         // bytes sent in parity that nobody had asked for
	Rounds     int64         // bytes sent in rounds of demand, in both streams
	Demand     int64         // bytes of first pass that are left
	Lacking    int64         // bytes that the members of the streams lack of what was passed, summed over them
	Left       time.Duration // until first passes and known demand are sent; 0 when nothing is left
	Members    []MemberStatus
	ReportsPer float64 // reports a second that the intervals ask for
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
