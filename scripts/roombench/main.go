// Command roombench measures how long a room of PCs takes to get a master, with our session and with udpcast side by side,
// in one run on one machine: the third part of `make bench`.
//
//	rooms      16 and 32 PCs behind ports of 100 Mb/s: some lose packets, one is slow, one dies, three come late, all
//	           hold the version before
//	gigabit    one, two and four PCs behind ports of 1 Gb/s: frames a second and the sender's processor time
//	flood      82,000 forged packets a second while a session runs
//	curve      what 1 to 1,024 PCs cost, in virtual time (imaging/multicast/simnet)
//
// The room is one of network namespaces (integration/lab): a switch that snoops, a server behind 1 Gb/s, PCs behind ports
// whose queue is that of a cheap switch and the same for both programs. The data cannot be compressed; disks are files
// in memory; both are compared with the master byte by byte after each run.
//
// The clock is one for both: from the first packet with data that the server's port sees to the last change of the last
// disk, as the file system dates it. What comes before and after (waiting for PCs, looking at disks, reading back) is
// told apart. A time is divided by the wire's limit: the bytes at 11.963 MB/s for each 100 Mb/s, which is what UDP over
// Ethernet without fragments can carry (1,472 of 1,538 bytes). Bytes on air are what the server's port counts, headers
// included. Each program runs three times, the median counts; one that needs more than three minutes for a row runs less
// often, which the table says. A run in which the host of a virtual machine took more than 3 % of the processors is made
// again, whoever's it was; how many were is told. All rows take half an hour.
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
	"time"

	"github.com/ardoise/ardoise/integration/lab"
	"github.com/ardoise/ardoise/scripts/machine"
)

// Result is everything that was measured.
type Result struct {
	Machine Machine   `json:"machine"`
	Network Network   `json:"network"`
	Runs    int       `json:"runs"`  // of each program in each row; the median counts
	Again   int       `json:"again"` // runs that were made again since the host of this machine had disturbed them
	Rows    []Row     `json:"rows"`
	Flood   *Flooding `json:"flood,omitempty"`
	Curve   []Cost    `json:"curve,omitempty"`
}

// Network says how the rooms were made.
type Network struct {
	ServerMbit int    `json:"server_mbit"`
	PCMbit     int    `json:"pc_mbit"`
	Queue      int    `json:"queue"` // bytes of a PC's port of the switch
	Udpcast    string `json:"udpcast"`
	Ours       string `json:"ours"`
}

// bench is one run.
type bench struct {
	dir     string // in memory: masters and images
	ardoise string // the binary
	runs    int
	only    []string // which programs
	limit   time.Duration
	budget  time.Duration // of a program's runs in one row
	logs    string
	result  Result
	images  map[string]*image // by kind and size
}

func main() {
	b := &bench{images: map[string]*image{}}
	rows := flag.String("rows", strings.Join(rowKeys(), ","), "which rows")
	only := flag.String("only", "ours,udpcast", "which programs")
	out := flag.String("o", filepath.Join("build", "roombench.json"), "file for the figures")
	flag.StringVar(&b.ardoise, "ardoise", filepath.Join("build", "ardoise"), "the binary that is measured")
	flag.IntVar(&b.runs, "runs", 3, "how often each program runs in each row")
	flag.DurationVar(&b.limit, "limit", 300*time.Second, "when a run is given up")
	flag.DurationVar(&b.budget, "budget", 3*time.Minute, "a program that would need longer for a row is not run there again")
	flag.IntVar(&b.result.Network.ServerMbit, "server", 1000, "Mb/s of the server's port")
	flag.IntVar(&b.result.Network.PCMbit, "pc", 100, "Mb/s of a PC's port")
	flag.IntVar(&b.result.Network.Queue, "queue", 256<<10, "bytes that the switch keeps for a PC's port")
	flag.StringVar(&b.logs, "logs", filepath.Join("build", "lab", "roombench"), "folder for what the programs of a row's last run say")
	flag.Parse()
	b.only = strings.Split(*only, ",")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, b, strings.Split(*rows, ","), *out)
	switch {
	case errors.Is(err, errMissed):
		os.Exit(1)
	case err != nil:
		fmt.Fprintf(os.Stderr, "error: %v\nhint: run make bench as root or through sudo, with 8 GiB of free memory; logs are in %s\n", err, b.logs)
		os.Exit(5)
	}
}

// errMissed ends a run in which a promise was not kept.
var errMissed = errors.New("a promise was not kept")

// run measures everything, prints the table and writes the figures.
func run(ctx context.Context, b *bench, rows []string, out string) (err error) {
	for _, key := range rows {
		if !slices.Contains(rowKeys(), key) {
			return fmt.Errorf("there is no row %q: the rows are %s", key, strings.Join(rowKeys(), ", "))
		}
	}
	if b.runs < 1 {
		return fmt.Errorf("%d runs have no median", b.runs)
	}
	if b.ardoise, err = filepath.Abs(b.ardoise); err != nil {
		return err
	}
	if err := lab.Sweep(ctx); err != nil {
		return err
	}
	if b.dir, err = lab.MemoryFolder(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if b.result.Machine, err = describe(ctx); err != nil {
		return err
	}
	b.result.Runs = b.runs
	b.result.Network.Ours, b.result.Network.Udpcast = ourWords(), udpcastWords()
	if err := b.measure(ctx, rows); err != nil {
		return err
	}
	b.result.Machine.LoadAfter, _ = machine.Load()
	b.result.print(os.Stdout)
	encoded, err := json.MarshalIndent(b.result, "", "  ")
	if err == nil {
		err = os.WriteFile(out, append(encoded, '\n'), 0o644)
	}
	if err != nil {
		return err
	}
	if slices.ContainsFunc(b.result.Rows, func(r Row) bool { return len(r.Missed) > 0 }) ||
		b.result.Flood != nil && len(b.result.Flood.Missed) > 0 {
		return errMissed
	}
	return nil
}

// measure plays the rows that are wanted, in their order.
func (b *bench) measure(ctx context.Context, rows []string) error {
	for _, s := range scenes() {
		if !slices.Contains(rows, s.Key) {
			continue
		}
		if err := b.row(ctx, s); err != nil {
			return fmt.Errorf("measuring %s: %w", s.Key, err)
		}
	}
	if slices.Contains(rows, keyFlood) && slices.Contains(b.only, "ours") {
		if err := b.flooding(ctx); err != nil {
			return fmt.Errorf("measuring the flood: %w", err)
		}
	}
	if slices.Contains(rows, keyCurve) {
		b.curve()
	}
	return nil
}

// say tells a person who waits what happens.
func (b *bench) say(format string, a ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", a...)
}
