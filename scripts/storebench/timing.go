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
)

const (
	repeats = 3
	worth   = time.Minute // a program that takes longer is run once
)

// contender is one program in a comparison.
type contender struct {
	name    string
	prepare func() error // before each run, not timed; may be nil
	argv    []string
	env     []string
	output  []byte // what the last run printed

	walls, cpus []float64
}

// race lets the contenders take turns. The order changes from turn to turn.
func race(ctx context.Context, list ...*contender) error {
	for turn := range repeats {
		for k := range list {
			c := list[(k+turn)%len(list)]
			if turn > 0 && slices.Max(c.walls) > worth.Seconds() {
				continue
			}
			if err := c.run(ctx); err != nil {
				return err
			}
		}
	}
	return nil
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
	began := time.Now()
	if err := command.Run(); err != nil {
		said := complaints.String()
		return fmt.Errorf("%s: %w: %s", strings.Join(c.argv, " "), err, said[max(0, len(said)-1000):])
	}
	c.walls = append(c.walls, time.Since(began).Seconds())
	c.cpus = append(c.cpus, (command.ProcessState.UserTime() + command.ProcessState.SystemTime()).Seconds())
	c.output = out.Bytes()
	return nil
}

// seconds is the median by the wall clock.
func (c *contender) seconds() float64 { return median(c.walls) }

// speed is a figure in MB (10^6 bytes) a second.
func (c *contender) speed(bytes int64) Figure {
	return Figure{Name: c.name, Value: float64(bytes) / 1e6 / c.seconds(), Seconds: c.walls, CPU: median(c.cpus)}
}

// perCore is a figure in MB a second of processor time.
func (c *contender) perCore(bytes int64) Figure {
	return Figure{Name: c.name, Value: float64(bytes) / 1e6 / median(c.cpus), Seconds: c.walls, CPU: median(c.cpus)}
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
