package main

import (
	"fmt"
	"io"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/multicast"
	"github.com/ardoise/ardoise/imaging/multicast/simnet"
	"github.com/ardoise/ardoise/scripts/table"
)

// Cost is what a room of so many PCs costs, in virtual time.
type Cost struct {
	PCs     int     `json:"pcs"`
	Seconds float64 `json:"seconds"`
	Ratio   float64 `json:"ratio"`  // in wire limits
	OnAir   int64   `json:"on_air"` // bytes of UDP payload
	HTTPS   int64   `json:"https"`  // bytes of symbols over TLS
	Reports float64 `json:"reports_per_second"`

	Sending   float64 `json:"sending"`    // processor seconds of the server's state machine: to decide what is sent
	Reporting float64 `json:"reporting"`  // for all reports and orders, JSON included, TLS not
	PerReport float64 `json:"per_report"` // seconds of these
	Memory    int64   `json:"memory"`     // bytes of the state machine when half was sent
}

// curve reckons the cost of 1 to 1,024 PCs behind ports of 100 Mb/s that lose one packet in a thousand.
func (b *bench) curve() {
	var sizes []int
	for n := 1; n <= 1024; n *= 2 {
		sizes = append(sizes, n)
	}
	runtime.LockOSThread() // its processor time is what is read
	defer runtime.UnlockOSThread()
	memory := map[int]int64{}
	meter := func(pcs int) *simnet.Meter {
		return &simnet.Meter{Processor: threadTime, Half: func(s *multicast.Sender) { memory[pcs] = reach(s) }}
	}
	for _, p := range simnet.Curve(128<<20, 0.001, sizes, 1, meter) {
		b.say("curve: %d PCs: %.2f s", p.PCs, p.Seconds)
		b.result.Curve = append(b.result.Curve, Cost{PCs: p.PCs, Seconds: p.Seconds, Ratio: p.Seconds / p.Limit, OnAir: p.OnAir,
			HTTPS: p.HTTPS, Reports: p.Reports, Sending: p.Sending.Seconds(), Reporting: p.Reporting.Seconds(),
			PerReport: p.PerReport.Seconds(), Memory: memory[p.PCs]})
	}
}

// threadTime is the processor time of the calling thread (clock_gettime(2)).
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// printCurve writes the curve as a table.
func printCurve(w io.Writer, curve []Cost) {
	if len(curve) == 0 {
		return
	}
	lines := [][]string{{"PCs, simulated, 0.1 % loss", "s for 128 MiB", "in wire limits", "on air MB", "by HTTPS MB", "reports a second",
		"server: s to decide", "s for reports", "us a report", "KiB"}}
	for _, c := range curve {
		lines = append(lines, []string{fmt.Sprint(c.PCs), fmt.Sprintf("%.2f", c.Seconds), fmt.Sprintf("%.3f", c.Ratio),
			fmt.Sprintf("%.1f", float64(c.OnAir)/1e6), fmt.Sprintf("%.1f", float64(c.HTTPS)/1e6), fmt.Sprintf("%.0f", c.Reports),
			fmt.Sprintf("%.3f", c.Sending), fmt.Sprintf("%.3f", c.Reporting), fmt.Sprintf("%.0f", c.PerReport*1e6), fmt.Sprint(c.Memory >> 10)})
	}
	_, _ = fmt.Fprintln(w)
	table.Print(w, lines)
}
