// Command fleetbench measures the console while a school works, and on a region's worth of computers: the fourth part of
// `make bench`.
//
//	crowd     300 agents (integration/crowd: real TLS, the real API, no machines) work through a deployment while four
//	          technicians click through the console: how long pages take, what memory the daemon takes at most
//	region    15,000 computers in 500 rooms and 1,000,000 events: the same pages
//	visit     what a browser that was never here fetches before it shows the map, as it travels
//
// Times are those of whole answers over TLS on one connection a technician, on loopback, agents and daemon sharing the
// machine's cores; medians and 99th percentiles are of all pages of a kind. What the daemon's processor took for one page of
// the region, its kernel's time and its garbage collection included, says the same also on a machine that others use.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/ardoise/ardoise/scripts/machine"
	"github.com/ardoise/ardoise/scripts/table"
)

// Result is everything that was measured.
type Result struct {
	Machine machine.Machine `json:"machine"`
	Load    string          `json:"load"`
	Pages   []Pages         `json:"pages"`
	Daemon  []Daemon        `json:"daemon"`
	Visit   *Visit          `json:"visit,omitempty"`
	Missed  []string        `json:"missed"`
}

func main() {
	only := flag.String("only", "crowd,region,visit", "which measurements")
	out := flag.String("o", filepath.Join("build", "fleetbench.json"), "file for the figures")
	size := flag.Int("agents", 300, "agents of the crowd")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	result, err := measure(ctx, strings.Split(*only, ","), *size)
	if err == nil {
		err = result.write(*out)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\nhint: make build first; the daemon's log is in the folder that is named above\n", err)
		os.Exit(5)
	}
	for _, m := range result.Missed {
		fmt.Println("MISSED", m)
	}
	if len(result.Missed) > 0 {
		os.Exit(1)
	}
}

func (r *Result) write(path string) error {
	encoded, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(encoded, '\n'), 0o644)
}

// bars, from the issue that asked for the console: milliseconds, bytes.
const (
	crowdMedian  = 100
	crowdWorst   = 300
	crowdMemory  = 400 << 20
	regionWorst  = 200
	visitBytes   = 150_000
	region       = 15_000
	regionEvents = 1_000_000
)

func measure(ctx context.Context, only []string, size int) (result *Result, err error) {
	result = &Result{}
	if result.Machine, err = machine.Read(); err != nil {
		return nil, err
	}
	if result.Load, err = machine.Load(); err != nil {
		return nil, err
	}
	fmt.Printf("%s, %d cores; load %s\n", result.Machine.CPU, result.Machine.Cores, result.Load)
	if slices.Contains(only, "crowd") || slices.Contains(only, "visit") {
		if err := result.crowd(ctx, size, slices.Contains(only, "crowd")); err != nil {
			return nil, fmt.Errorf("measuring a crowd: %w", err)
		}
	}
	if slices.Contains(only, "region") {
		if err := result.region(ctx); err != nil {
			return nil, fmt.Errorf("measuring a region: %w", err)
		}
	}
	result.print()
	return result, nil
}

func (r *Result) print() {
	rows := [][]string{{"pages", "", "asked", "median", "99th", "worst", "bar", "processor"}}
	for _, p := range r.Pages {
		work := ""
		if p.CPU > 0 {
			work = fmt.Sprintf("%.0f ms", p.CPU)
		}
		rows = append(rows, []string{p.Scene, p.Page, fmt.Sprint(p.Count), fmt.Sprintf("%.0f ms", p.Median), fmt.Sprintf("%.0f ms", p.P99),
			fmt.Sprintf("%.0f ms", p.Worst), p.Bar, work})
	}
	fmt.Println()
	table.Print(os.Stdout, rows)
	fmt.Println()
	for _, d := range r.Daemon {
		fmt.Printf("%s: the daemon took %.0f MiB at most and %.1f s of processor; %d lines of its log speak of a locked database\n", d.Scene,
			float64(d.Memory)/(1<<20), d.CPU, d.Locked)
	}
	if r.Visit != nil {
		fmt.Printf("first visit: %d answers, %d bytes as they travel\n", r.Visit.Answers, r.Visit.Bytes)
	}
}

// miss notes a promise that was not kept.
func (r *Result) miss(format string, args ...any) {
	r.Missed = append(r.Missed, fmt.Sprintf(format, args...))
}

// closeAll closes what was opened, newest first.
func closeAll(closers []func() error) error {
	var errs []error
	for _, c := range slices.Backward(closers) {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}
