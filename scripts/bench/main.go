// Command bench measures what the design promises, on this machine, in the virtual school: `make bench`.
//
//	boot      power-on to the agent's first report, BIOS and Secure Boot, with 0, 0.5 and 2 % of all packets lost
//	tftp      16 MiB with blksize 1468 to a stock client, from our server and from tftpd-hpa, in turn
//	deploy    a master onto an empty disk, and once more: the second must write nothing
//	offline   starts with the server off: the menu, a reset from it, and PCs that ask the network first
//
// It prints a table, and writes the same as JSON with a description of the machine: a figure without its machine says
// nothing. One PC runs at a time; on a machine that does other work the figures are worth little, so its load before
// the first measurement is part of the description.
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

	"github.com/ardoise/ardoise/integration/lab"
)

// Result is everything that was measured.
type Result struct {
	Machine Machine     `json:"machine"`
	Boots   []Boot      `json:"boots"`
	TFTP    []Transfer  `json:"tftp"`
	Deploys []Deployed  `json:"deploys"`
	Offline []Offline   `json:"offline"`
	Missed  []string    `json:"missed"` // promises that were not kept
	Phases  [][2]string `json:"phases"` // of each boot: its name, its points
}

func main() {
	only := flag.String("only", "boot,tftp,deploy,offline", "which measurements")
	out := flag.String("o", filepath.Join("build", "bench.json"), "file for the figures")
	folder := flag.String("serve-tftp", "", "serve a folder with our TFTP server and do nothing else: bench runs itself so")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *folder != "" {
		if err := serveFolder(ctx, *folder); err != nil {
			fmt.Fprintf(os.Stderr, "error: %v\nhint: this flag is for bench itself\n", err)
			os.Exit(5)
		}
		return
	}
	os.Exit(run(ctx, *out, strings.Split(*only, ",")))
}

// run measures everything and returns the exit code: 0 when every promise was kept, else 1.
func run(ctx context.Context, out string, only []string) int {
	result, err := measure(ctx, only)
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\nhint: the logs are in build/lab/bench; run make bench as root or through sudo\n", err)
		return 5
	}
	encoded, err := json.MarshalIndent(result, "", "  ")
	if err == nil {
		err = os.WriteFile(out, append(encoded, '\n'), 0o644)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: writing %s: %v\nhint: is the disk full?\n", out, err)
		return 5
	}
	for _, promise := range result.Missed {
		fmt.Println("MISSED", promise)
	}
	if len(result.Missed) > 0 {
		return 1
	}
	return 0
}

// measure raises the school and runs all measurements in it.
func measure(ctx context.Context, only []string) (result Result, err error) {
	if result.Machine, err = describe(ctx); err != nil {
		return result, err
	}
	result.Machine.print(os.Stdout)
	school, _, err := lab.OpenGolden(ctx, "bench")
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, school.Close()) }()
	for _, measurement := range []struct {
		name string
		run  func(context.Context, *lab.School, *Result) error
	}{{"boot", boots}, {"tftp", transfers}, {"deploy", deploys}, {"offline", offlines}} {
		if !slices.Contains(only, measurement.name) {
			continue
		}
		if err := measurement.run(ctx, school, &result); err != nil {
			return result, fmt.Errorf("measuring %s: %w", measurement.name, err)
		}
	}
	return result, nil
}
