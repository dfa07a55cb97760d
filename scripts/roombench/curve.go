package main

import (
	"fmt"
	"io"

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
}

// curve reckons the cost of 1 to 1,024 PCs behind ports of 100 Mb/s that lose one packet in a thousand.
func (b *bench) curve() {
	var sizes []int
	for n := 1; n <= 1024; n *= 2 {
		sizes = append(sizes, n)
	}
	for _, p := range simnet.Curve(128<<20, 0.001, sizes, 1) {
		b.result.Curve = append(b.result.Curve, Cost{PCs: p.PCs, Seconds: p.Seconds, Ratio: p.Seconds / p.Limit, OnAir: p.OnAir,
			HTTPS: p.HTTPS, Reports: p.Reports})
	}
}

// printCurve writes the curve as a table.
func printCurve(w io.Writer, curve []Cost) {
	if len(curve) == 0 {
		return
	}
	lines := [][]string{{"PCs, simulated, 0.1 % loss", "s for 128 MiB", "in wire limits", "on air MB", "by HTTPS MB", "reports a second"}}
	for _, c := range curve {
		lines = append(lines, []string{fmt.Sprint(c.PCs), fmt.Sprintf("%.2f", c.Seconds), fmt.Sprintf("%.3f", c.Ratio),
			fmt.Sprintf("%.1f", float64(c.OnAir)/1e6), fmt.Sprintf("%.1f", float64(c.HTTPS)/1e6), fmt.Sprintf("%.0f", c.Reports)})
	}
	_, _ = fmt.Fprintln(w)
	table.Print(w, lines)
}
