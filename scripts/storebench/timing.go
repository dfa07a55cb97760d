package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/ardoise/ardoise/scripts/machine"
)

const (
	repeats   = 3
	short     = time.Second // programs that take less take more turns: a moment's noise is a large part of them
	turns     = 9
	worth     = time.Minute // a program that takes longer is run once
	mostAgain = 5           // how often a run is made again because of the machine's host
)

// contender is one program in a comparison.
type contender struct {
	name    string
	prepare func() error // before each run, not timed; may be nil
	argv    []string
	env     []string
	output  []byte // what the last run printed

	walls, cpus []float64
	stolen      float64 // share of the processors' time that the host took away during the last run
	again       int     // runs that were thrown away for that
}

// race lets the contenders take turns. The order changes from turn to turn. Those that take less than a second go on when the
// others have had their turns.
func race(ctx context.Context, list ...*contender) error {
	for turn := range turns {
		for k := range list {
			c := list[(k+turn)%len(list)]
			if turn > 0 && slices.Max(c.walls) > worth.Seconds() || turn >= repeats && median(c.walls) > short.Seconds() {
				continue
			}
			if err := c.fair(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// fair runs the program until the host of a virtual machine has left it its processors. Where it never does the last run counts.
func (c *contender) fair(ctx context.Context) error {
	for again := 0; ; again++ {
		if err := c.run(ctx); err != nil {
			return err
		}
		if c.stolen <= machine.TooMuch || again == mostAgain {
			return nil
		}
		c.again++
		c.walls, c.cpus = c.walls[:len(c.walls)-1], c.cpus[:len(c.cpus)-1]
	}
}

// run runs the program once.
func (c *contender) run(ctx context.Context) error {
	if c.prepare != nil {
		if err := c.prepare(); err != nil {
			return fmt.Errorf("preparing %s: %w", c.name, err)
		}
	}
	var out, complaints bytes.Buffer
	command := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	command.Stdout, command.Stderr, command.Env = &out, &complaints, append(os.Environ(), c.env...)
	before, err := machine.Now()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := command.Run(); err != nil {
		said := complaints.String()
		return fmt.Errorf("%s: %w: %s", strings.Join(c.argv, " "), err, said[max(0, len(said)-1000):])
	}
	c.walls = append(c.walls, time.Since(began).Seconds())
	c.stolen = machine.StolenSince(before)
	c.cpus = append(c.cpus, (command.ProcessState.UserTime() + command.ProcessState.SystemTime()).Seconds())
	c.output = out.Bytes()
	return nil
}

// seconds is the median by the wall clock.
func (c *contender) seconds() float64 { return median(c.walls) }

// speed is a figure in MB (10^6 bytes) a second.
func (c *contender) speed(bytes int64) Figure {
	return Figure{Name: c.name, Value: float64(bytes) / 1e6 / c.seconds(), Seconds: c.walls, CPU: median(c.cpus), Again: c.again}
}

// perCore is a figure in MB a second of processor time.
func (c *contender) perCore(bytes int64) Figure {
	return Figure{Name: c.name, Value: float64(bytes) / 1e6 / median(c.cpus), Seconds: c.walls, CPU: median(c.cpus), Again: c.again}
}

func median(list []float64) float64 {
	sorted := slices.SortedFunc(slices.Values(list), cmp.Compare[float64])
	return sorted[len(sorted)/2]
}

// shell is a contender that is a pipe of programs.
func shell(name, script string) *contender {
	return &contender{name: name, argv: []string{"bash", "-eu", "-o", "pipefail", "-c", script}}
}

// kept is what ours says of a capture or a restore.
type kept struct {
	ReadBytes   int64 `json:"read_bytes"`
	StoredBytes int64 `json:"stored_bytes"`
	NewBytes    int64 `json:"new_bytes"`
}

func (c *contender) kept() (k kept, err error) {
	err = json.Unmarshal(c.output, &k)
	return k, err
}
