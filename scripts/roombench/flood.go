package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ardoise/ardoise/integration/lab"
)

// Flooding is what forged packets cost: the same session quiet and flooded.
type Flooding struct {
	PerSecond float64  `json:"per_second"` // forged packets that were sent, of the median run
	Time      float64  `json:"time"`       // flooded by quiet
	Cores     float64  `json:"cores"`      // processor seconds a second that a PC needs more
	Complete  bool     `json:"complete"`   // all disks are the master
	Refused   int64    `json:"refused"`    // packets that PC 0 counts as forged, repeated or foreign, in the median run
	Quiet     Run      `json:"quiet"`      // median
	Flooded   Run      `json:"flooded"`    // median
	Runs      []Run    `json:"runs"`
	Missed    []string `json:"missed"`
}

// What is promised of the flood.
const (
	floodRate  = 82_000 // packets a second: what 1 Gb/s carries of full ones
	floodTime  = 1.10
	floodCores = 0.25
)

// flooded is what a rogue did in a run.
type flooded struct {
	Sent    int64   `json:"sent"`
	Seconds float64 `json:"seconds"`
}

// flood is a rogue at work.
type flood struct {
	stop context.CancelFunc
	done chan struct{}
	did  flooded
	err  error
}

// floodScene is a session at a set rate behind ports of 1 Gb/s: ports that the flood fills would measure the ports.
func floodScene() Scene {
	return Scene{Key: keyFlood, What: "1 Gb/s port, sent at 90 Mb/s", PCs: 1, MiB: 128, PCMbit: 1000, Rate: 90}
}

// flooding plays the session quiet and flooded, in turn.
func (b *bench) flooding(ctx context.Context) (err error) {
	quiet := floodScene()
	loud := quiet
	loud.Flood = floodRate
	room, err := lab.OpenRoom(ctx, lab.RoomOptions{PCs: quiet.PCs, PC: b.cable(quiet), Server: b.uplink(quiet)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, room.Close()) }()
	// The rogue keeps to its rate by itself: to count out 1 Gb/s for it, too, would cost the core that it sends with.
	if _, err := room.Plug(ctx, "rogue", "10.78.250.1", lab.Cable{}); err != nil {
		return err
	}
	f := &Flooding{Complete: true, Missed: []string{}}
	var runs [2][]Run
	for range b.runs {
		for i, s := range []Scene{quiet, loud} {
			run, again, err := b.fair(ctx, room, s, b.ours())
			if err != nil {
				return err
			}
			b.result.Again += again
			b.say("flood of %d a second: %.2f s, %d of %d complete, processor of the PC %.2f s", s.Flood, run.Seconds, run.Complete,
				run.Expected, run.PCsCPU)
			runs[i] = append(runs[i], run)
			f.Complete = f.Complete && run.Complete == run.Expected
		}
	}
	f.reckon(runs)
	b.result.Flood = f
	return nil
}

// reckon compares the medians.
func (f *Flooding) reckon(runs [2][]Run) {
	bySeconds := func(r Run) float64 { return r.Seconds }
	f.Quiet, f.Flooded = medianBy(runs[0], bySeconds), medianBy(runs[1], bySeconds)
	f.Runs = append(runs[0], runs[1]...)
	f.Time = f.Flooded.Seconds / f.Quiet.Seconds
	if did := f.Flooded.Flooded; did != nil && did.Seconds > 0 {
		f.PerSecond = float64(did.Sent) / did.Seconds
		f.Cores = (f.Flooded.PCsCPU - f.Quiet.PCsCPU) / did.Seconds
	}
	f.Refused = refused(f.Flooded.PCSaid)
	if f.Refused == 0 {
		f.Missed = append(f.Missed, "flood: the PC counts no forged packet, so none reached it")
	}
	if !f.Complete {
		f.Missed = append(f.Missed, "flood: a disk is not the master")
	}
	if f.Time > floodTime {
		f.Missed = append(f.Missed, fmt.Sprintf("flood: %.2f x the time, promised %.2f", f.Time, floodTime))
	}
	if f.Cores > floodCores {
		f.Missed = append(f.Missed, fmt.Sprintf("flood: %.2f core, promised %.2f", f.Cores, floodCores))
	}
	if f.PerSecond < floodRate*0.9 {
		f.Missed = append(f.Missed, fmt.Sprintf("flood: only %.0f packets a second were sent", f.PerSecond))
	}
}

// refused adds up what a PC's last line says of packets that were none of the session's.
func refused(said []byte) int64 {
	var line struct {
		Session struct{ Forged, Repeated, Foreign int64 }
	}
	if err := json.Unmarshal(said, &line); err != nil {
		return 0
	}
	return line.Session.Forged + line.Session.Repeated + line.Session.Foreign
}

func (f *Flooding) print(w io.Writer) {
	_, _ = fmt.Fprintf(w, "\nflood: %.0f forged, replayed and cut packets a second: %.2f x the time (promised %.2f), %.2f core more (promised %.2f); %d refused\n",
		f.PerSecond, f.Time, floodTime, f.Cores, floodCores, f.Refused)
}

// startFlood lets a rogue listen to the group and then send to it, with the server's own address and port as its own.
func (t *take) startFlood(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	t.flood = &flood{stop: stop, done: make(chan struct{})}
	f := lab.NewForger()
	if _, err := t.room.WatchServer(ctx, 1000, f.Learn); err != nil {
		stop()
		return err
	}
	go func() {
		defer close(t.flood.done)
		sent, took, err := lab.Flood(ctx, t.room.Station("rogue"), t.from, t.group, t.scene.Flood, f.Forge)
		t.flood.did, t.flood.err = flooded{sent, took.Seconds()}, err
	}()
	return nil
}

// end waits until the rogue is quiet.
func (f *flood) end() (*flooded, error) {
	if f == nil {
		return nil, nil
	}
	f.stop()
	<-f.done
	return &f.did, f.err
}

// quietFor is how long after the first data the rogue begins: it needs something to forge.
const quietFor = 500 * time.Millisecond
