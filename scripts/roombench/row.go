package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ardoise/ardoise/integration/lab"
)

// Row is a scene with what the programs reached in it.
type Row struct {
	Scene    Scene    `json:"scene"`
	Programs []Figure `json:"programs"`
	Missed   []string `json:"missed"` // promises of ours that were not kept
	Promise  string   `json:"promise"`
}

// Figure is what one program reached: its median run by time, and all of them.
type Figure struct {
	Name   string  `json:"name"`
	Ratio  float64 `json:"ratio"`          // of the last healthy PC, in wire limits
	Slow   float64 `json:"slow,omitempty"` // of the slow PC, in limits of its own wire
	Late   float64 `json:"late,omitempty"` // of the last late PC, in wire limits
	Air    float64 `json:"air"`            // bytes on air per byte of new frames, or of the disk where there are none
	Median Run     `json:"median"`
	Runs   []Run   `json:"runs"`
	Asked  int     `json:"asked"` // how many runs there should have been
}

// version is what is sent.
func (s Scene) version() int {
	if s.Upgrade {
		return 2
	}
	return 1
}

// cable is the port of a healthy PC.
func (b *bench) cable(s Scene) lab.Cable {
	c := lab.Cable{Mbit: b.result.Network.PCMbit, Queue: b.result.Network.Queue}
	if s.PCMbit > 0 {
		c.Mbit = s.PCMbit
	}
	return c
}

// uplink is the server's port. Where PCs' ports are as fast, theirs are limit enough: a second token bucket would cost the
// server's core a timer for each packet, which no card does.
func (b *bench) uplink(s Scene) lab.Cable {
	if s.PCMbit >= b.result.Network.ServerMbit {
		return lab.Cable{}
	}
	return lab.Cable{Mbit: b.result.Network.ServerMbit, Queue: 1 << 20}
}

// row plays a scene with every program, in turn.
func (b *bench) row(ctx context.Context, s Scene) (err error) {
	room, err := lab.OpenRoom(ctx, lab.RoomOptions{PCs: s.PCs, PC: b.cable(s), Server: b.uplink(s), Apart: s.gigabit()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, room.Close()) }()
	var systems []*system
	for _, sys := range []*system{b.ours(), udpcast()} {
		short := map[string]string{oursName: "ours"}[sys.name]
		if slices.Contains(b.only, cmp.Or(short, sys.name)) && (short == "ours" || s.Others == "") {
			systems = append(systems, sys)
		}
	}
	runs := make([][]Run, len(systems))
	used := make([]time.Duration, len(systems))
	for n := range b.runs {
		for i, sys := range systems {
			if b.tooLong(used[i], len(runs[i])) {
				continue
			}
			began := time.Now()
			run, again, err := b.fair(ctx, room, s, sys)
			if err != nil {
				return fmt.Errorf("%s, run %d of %s: %w", s.What, n+1, sys.name, err)
			}
			used[i] += time.Since(began) / time.Duration(1+again)
			b.result.Again += again
			runs[i] = append(runs[i], run)
			b.say("%s: %s %.2f s (%.2f), %d of %d complete, %.0f MB on air, %.1f s before, %.1f s after, processor %.1f s and %.1f s (kernel %.1f and %.1f)",
				s.What, sys.name, run.Seconds, run.Seconds/b.least(s).Seconds(), run.Complete, run.Expected, float64(run.Sent)/1e6,
				run.Wait, run.Rest, run.ServerCPU, run.PCsCPU, run.ServerKernel, run.PCsKernel)
		}
	}
	row := Row{Scene: s, Missed: []string{}}
	for i, sys := range systems {
		f, err := b.figure(ctx, s, sys.name, runs[i])
		if err != nil {
			return err
		}
		row.Programs = append(row.Programs, f)
		if sys.name == oursName {
			row.Missed = f.missed(s)
		}
	}
	row.Promise = s.bars.words()
	b.result.Rows = append(b.result.Rows, row)
	return nil
}

// tooLong tells whether a program that has used so much time for n runs would exceed its budget with one more.
func (b *bench) tooLong(used time.Duration, n int) bool {
	return n > 0 && used+used/time.Duration(n) > b.budget
}

// figure reckons the medians.
func (b *bench) figure(ctx context.Context, s Scene, name string, runs []Run) (Figure, error) {
	img, err := b.image(ctx, s)
	if err != nil {
		return Figure{}, err
	}
	fresh := img.size()
	if name == oursName || s.Upgrade {
		fresh = img.fresh[s.version()]
	}
	least := b.least(s).Seconds()
	f := Figure{Name: name, Runs: runs, Asked: b.runs}
	f.Median = medianBy(runs, func(r Run) float64 { return r.Seconds })
	f.Ratio = f.Median.Seconds / least
	f.Air = medianBy(runs, func(r Run) float64 { return float64(r.Sent) }).air(fresh)
	if s.SlowMbit > 0 {
		f.Slow = medianBy(runs, func(r Run) float64 { return r.Slow }).Slow / wireLimit(img.size(), s.SlowMbit).Seconds()
	}
	if s.Late > 0 {
		f.Late = medianBy(runs, func(r Run) float64 { return r.Late }).Late / least
	}
	return f, nil
}

// least is the wire's limit for the whole disk, as it is.
func (b *bench) least(s Scene) time.Duration {
	return wireLimit(int64(s.MiB)<<20, b.cable(s).Mbit)
}

func (r Run) air(fresh int64) float64 { return float64(r.Sent) / float64(fresh) }

// medianBy returns the run in the middle; of an even number the worse of the two.
func medianBy(runs []Run, key func(Run) float64) Run {
	sorted := slices.SortedFunc(slices.Values(runs), func(x, y Run) int { return cmp.Compare(key(x), key(y)) })
	return sorted[len(sorted)/2]
}

// missed lists the promises that were not kept.
func (f Figure) missed(s Scene) []string {
	missed := []string{}
	check := func(what string, got, bar float64) {
		if bar > 0 && got > bar {
			missed = append(missed, fmt.Sprintf("%s: %s %.2f, promised %.2f", s.What, what, got, bar))
		}
	}
	check("time", f.Ratio, s.bars.healthy)
	check("time of the slow one", f.Slow, s.bars.slow)
	check("time of the late ones", f.Late, s.bars.late)
	check("bytes on air", f.Air, s.bars.air)
	if f.Median.Wire != nil {
		check("cores of the sender", f.Median.Wire.Cores, s.bars.cores)
		if f.Median.Wire.Frames < s.bars.frames*1e6 {
			missed = append(missed, fmt.Sprintf("%s: %.0f MB/s of frames, promised %.0f", s.What, f.Median.Wire.Frames/1e6, s.bars.frames))
		}
	} else if s.bars.frames > 0 {
		missed = append(missed, s.What+": it went by too fast to be measured")
	}
	for _, r := range f.Runs {
		if r.Complete < r.Expected {
			missed = append(missed, fmt.Sprintf("%s: %d of %d disks complete", s.What, r.Complete, r.Expected))
		}
	}
	return missed
}
