package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/sessions"
	"github.com/ardoise/ardoise/imaging/multicast"
	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// maxLaggards is how many computers that lag are named in a line; the others are counted.
const maxLaggards = 4

// sessionLine says in a line how a session stands; "" when it does not run.
func sessionLine(r *sessions.Report) string {
	if r == nil || !r.Now.Running {
		return ""
	}
	n := r.Now
	if n.Waiting {
		return fmt.Sprintf("session  waits for more computers: %d of %d have joined", len(n.Members), n.Expected)
	}
	text := fmt.Sprintf("session  %.1f MB/s on the wire  %s  worst loss %.1f %%  parity %d  to send %s  lacking %s  %s left  %d of %d done",
		float64(n.Rate)/1e6, diskText(float64(n.Disk)/1e6), 100*n.Loss, n.Parity, bytesText(n.Demand), bytesText(n.Lacking),
		(time.Duration(n.Left * float64(time.Second))).Round(time.Second), r.Done, r.Joined)
	if slow := laggards(n.Members); len(slow) > 0 {
		more := ""
		if len(slow) > maxLaggards {
			more = fmt.Sprintf(" and %d more", len(slow)-maxLaggards)
		}
		text += "  lags: " + strings.Join(slow[:min(len(slow), maxLaggards)], ", ") + more
	}
	return text
}

// laggards names who lags, and why.
func laggards(members []sessions.Member) []string {
	var out []string
	for _, m := range members {
		if m.Reason == "" || m.State == string(multicast.StateDone) {
			continue
		}
		name := fleet.Clean(m.Computer, 63) + " (" + fleet.Clean(m.Reason, 80)
		switch multicast.State(m.State) {
		case multicast.StateHTTPS:
			name += ", by HTTPS"
		case multicast.StateSlow:
			name += ", slow stream"
		}
		out = append(out, name+")")
	}
	return out
}

// receptionText says how a computer came through its session; "" when it had none.
func receptionText(r *access.Reception) string {
	if r == nil {
		return ""
	}
	text := fmt.Sprintf("%s by multicast, %s by HTTPS, %s from other computers, %d of %d packets lost", bytesText(r.Multicast),
		bytesText(r.HTTPS), bytesText(r.Peers), r.Lost, r.Lost+r.Packets)
	if r.Forged > 0 {
		text += fmt.Sprintf(", %d forged", r.Forged)
	}
	if r.Reason != "" {
		text += "; " + fleet.Clean(r.State+": "+r.Reason, 300)
	}
	return text
}

// showSession prints what a job's session did.
func showSession(w io.Writer, r *sessions.Report) {
	if r == nil {
		return
	}
	_, _ = fmt.Fprintf(w, "\nsession %s", r.ID)
	if len(r.Jobs) > 1 {
		_, _ = fmt.Fprintf(w, ", shared by jobs %s", strings.Join(r.Jobs, ", "))
	}
	_, _ = fmt.Fprintf(w, ": %d of %d computers done, %s on the wire, %s of it repairs, %s by HTTPS", r.Done, r.Joined,
		bytesText(r.Sent), bytesText(r.Repairs), bytesText(r.HTTPS))
	if !r.Ended.IsZero() {
		_, _ = fmt.Fprintf(w, ", in %s", r.Ended.Sub(r.Started).Round(time.Second))
	}
	_, _ = fmt.Fprintln(w)
	if line := sessionLine(r); line != "" {
		_, _ = fmt.Fprintln(w, line)
	}
	told := []string{sessions.MarkDemoted, sessions.MarkPromoted, sessions.MarkSilent, sessions.MarkTrouble, wire.EventNoMulticast,
		wire.EventDisk, wire.EventForged, wire.EventInsider, wire.EventPolluted, wire.EventUnreadable, session.EventFlooded}
	for _, m := range r.Marks {
		if slices.Contains(told, m.Kind) || m.Kind == sessions.MarkJoin && m.Text != "" {
			_, _ = fmt.Fprintf(w, "    %6d s  %-10s %s  %s\n", m.At, fleet.Clean(m.Kind, 32), fleet.Clean(m.Computer, 63),
				fleet.Clean(m.Text, 200))
		}
	}
}
