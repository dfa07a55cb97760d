package sessions

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Limits say how much of the uplink all sessions together may take, by the hour.
type Limits struct {
	Total   int64         // bit/s on the wire; 0: no limit
	Lessons int64         // bit/s on the wire from Monday to Friday between From and To; 0: as Total
	From    time.Duration // since midnight, local time
	To      time.Duration // since midnight, not included; before From means the next morning
}

// ParseHours reads hours such as 08:00-18:00; a day ends at 24:00.
func ParseHours(s string) (from, to time.Duration, err error) {
	first, last, ok := strings.Cut(s, "-")
	if ok {
		from, ok = clock(first)
	}
	if ok {
		to, ok = clock(last)
	}
	if !ok || from == 24*time.Hour || from == to {
		return 0, 0, fmt.Errorf("hours are HH:MM-HH:MM, as 08:00-18:00, not %q", s)
	}
	return from, to, nil
}

// clock reads HH:MM, 00:00 to 24:00.
func clock(s string) (time.Duration, bool) {
	if s == "24:00" {
		return 24 * time.Hour, true
	}
	t, err := time.Parse("15:04", s)
	if err != nil || len(s) != len("15:04") {
		return 0, false
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, true
}

// At returns the limit at a moment, of whose location the hours are: bit/s on the wire, 0 for none.
func (l Limits) At(now time.Time) int64 {
	if l.Lessons == 0 || l.From == l.To {
		return l.Total
	}
	h, m, s := now.Clock()
	since := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second
	day := now.Weekday()
	in := since >= l.From && since < l.To
	if l.To < l.From {
		in = since >= l.From
		if since < l.To {
			in, day = true, now.AddDate(0, 0, -1).Weekday() // the evening before began it
		}
	}
	if !in || day == time.Saturday || day == time.Sunday {
		return l.Total
	}
	if l.Total > 0 {
		return min(l.Lessons, l.Total)
	}
	return l.Lessons
}

// Bytes of one packet: as the session counts it, and as it occupies an Ethernet line (payload, UDP, IP, Ethernet with
// preamble, checksum and the gap between frames: IEEE 802.3 clause 4.4.2).
const (
	packetPayload = 1448
	packetWire    = packetPayload + 8 + 20 + 18 + 20
)

// Payload turns bit/s on the wire, with all headers and gaps, into bytes of UDP payload a second, as sessions count them.
func Payload(bits int64) int64 { return bits / 8 * packetPayload / packetWire }

// leastShare is what a session gets at least to begin with, in bytes of payload a second, where there is so much.
const leastShare = 5_000_000

// shares divides a total, in bytes a second, among sessions by what they send now. Each may double what it sends; who wants
// less than an equal part leaves the rest to the others. 0 is no limit, and so it stays.
func shares(total int64, rates []int64) []int64 {
	out := make([]int64, len(rates))
	if total <= 0 {
		return out
	}
	order := make([]int, len(rates))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(min(max(rates[a]-rates[b], -1), 1)) })
	left := total
	for n, i := range order {
		equal := left / int64(len(order)-n)
		out[i] = max(min(equal, max(2*rates[i], leastShare)), 1)
		left -= out[i]
	}
	if len(order) > 0 && left > 0 { // nobody wants it now: the busiest may
		out[order[len(order)-1]] += left
	}
	return out
}
