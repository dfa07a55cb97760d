package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ardoise/ardoise/integration/lab"
	"github.com/ardoise/ardoise/scripts/machine"
)

// system is a program that sends to a room.
type system struct {
	name    string
	send    func(t *take) []string              // the server's command line
	receive func(t *take, disk string) []string // a PC's
	disk    func(t *take, path string) error    // prepares a PC's disk
	carries func(payload []byte) bool           // tells whether a packet of the server has data
}

// Run is one system in one scene, once.
type Run struct {
	Seconds  float64 `json:"seconds"`        // first data to last change of the last complete healthy disk; the limit if none is
	Slow     float64 `json:"slow,omitempty"` // the same of the slow PC
	Late     float64 `json:"late,omitempty"` // the same of the last PC that came late
	Complete int     `json:"complete"`       // PCs whose disk is the master
	Expected int     `json:"expected"`       // PCs that should: all but the one that was killed
	GaveUp   bool    `json:"gave_up"`        // the limit came first
	Sent     int64   `json:"sent"`           // bytes, as the server's port counts them
	Lost     float64 `json:"lost"`           // share of the packets that came to PC 0, as counted there

	Wait         float64 `json:"wait"`          // seconds from start to the first data
	Rest         float64 `json:"rest"`          // seconds from the last change to the end of the last PC's program
	ServerCPU    float64 `json:"server_cpu"`    // seconds
	ServerKernel float64 `json:"server_kernel"` // of these, the kernel's: sockets, and in namespaces the switch
	PCsCPU       float64 `json:"pcs_cpu"`       // seconds, of all together; programs that were killed count too
	PCsKernel    float64 `json:"pcs_kernel"`    // of these, the kernel's
	Stolen       float64 `json:"stolen"`        // share of the processors' time that the host of a virtual machine took away

	Wire    *wireRate       `json:"wire,omitempty"`
	Flooded *flooded        `json:"flooded,omitempty"`
	Said    json.RawMessage `json:"said,omitempty"`    // the server's last line, where it is JSON
	PCSaid  json.RawMessage `json:"pc_said,omitempty"` // the same of PC 0
}

// wireRate is what the server did between a tenth and nine tenths of the bytes.
type wireRate struct {
	Frames float64 `json:"frames"` // bytes a second of frames or disk: what the server's port counts, less headers and repetitions
	Port   float64 `json:"port"`   // bytes a second, as the server's port counts them
	Cores  float64 `json:"cores"`  // processor seconds a second of the sender, without the switch: gigabit rows give that another processor
}

// take is one run while it happens.
type take struct {
	b     *bench
	scene Scene
	image *image
	sys   *system
	room  *lab.Room

	server      *lab.Process
	said        words // by the server
	counter     *lab.Counter
	before      int64 // the counter at the start
	began       time.Time
	first       time.Time    // data
	from, group *net.UDPAddr // of the data
	pcs         []*station
	gone        time.Time // the server
	joined      bool      // the late ones have
	killed      bool
	samples     []sample
	complain    words
	flood       *flood // nil: none
}

// sample is the progress of the sender.
type sample struct {
	at   time.Time
	sent int64
	cpu  time.Duration
}

// station is a PC.
type station struct {
	disk    string
	program *lab.Process
	said    words
	left    time.Time
	mu      sync.Mutex
}

// words keeps what programs print; several may write.
type words struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

// all is what was printed so far.
func (w *words) all() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.Clone(w.b.Bytes())
}

// mostAgain is how often a run is made again because of the host.
const mostAgain = 5

// fair plays until the host has left the machine its processors, and returns how many runs it threw away for that. A run in
// which a disk was not complete is never thrown away, whatever the host did; of runs that were all disturbed the least is kept.
func (b *bench) fair(ctx context.Context, room *lab.Room, s Scene, sys *system) (best Run, again int, err error) {
	for {
		before, err := machine.Now()
		if err != nil {
			return best, again, err
		}
		run, err := b.play(ctx, room, s, sys)
		if err != nil {
			return best, again, err
		}
		run.Stolen = machine.StolenSince(before)
		if again == 0 || run.Stolen < best.Stolen || run.Complete < run.Expected {
			best = run
		}
		if run.Stolen <= machine.TooMuch || run.Complete < run.Expected || again == mostAgain {
			return best, again, nil
		}
		b.say("%s: %s %.2f s, made again: the host took %.0f %% of the processors", s.What, sys.name, run.Seconds, 100*run.Stolen)
		again++
	}
}

// play lets a system send to a room once.
func (b *bench) play(ctx context.Context, room *lab.Room, s Scene, sys *system) (run Run, err error) {
	img, err := b.image(ctx, s)
	if err != nil {
		return run, err
	}
	t := &take{b: b, scene: s, image: img, sys: sys, room: room, pcs: make([]*station, s.PCs)}
	for i := range t.pcs {
		t.pcs[i] = &station{disk: filepath.Join(room.Disk, fmt.Sprintf("pc%d.img", i))}
		if err := sys.disk(t, t.pcs[i].disk); err != nil {
			return run, err
		}
	}
	defer func() {
		t.end()
		for _, pc := range t.pcs {
			err = errors.Join(err, os.RemoveAll(pc.disk))
		}
	}()
	if t.counter, err = room.CountServer(); err != nil {
		return run, err
	}
	defer func() { _ = t.counter.Close() }() // it was only read from
	if t.before, err = t.counter.Bytes(); err != nil {
		return run, err
	}
	if err := t.act(ctx); err != nil {
		return run, err
	}
	return t.judge(ctx)
}

// act starts everything, lets happen what the scene wants, and returns when the PCs have ended or the limit has come.
func (t *take) act(ctx context.Context) (err error) {
	if err := t.degrade(ctx); err != nil {
		return err
	}
	seen := make(chan lab.Datagram, 1)
	watching, stop := context.WithCancel(ctx)
	defer stop()
	if _, err := t.room.WatchServer(watching, 1000, func(d lab.Datagram) bool {
		if !t.sys.carries(d.Payload) {
			return true
		}
		d.Payload = nil
		seen <- d
		return false
	}); err != nil {
		return err
	}
	t.began = time.Now()
	if t.server, err = t.room.Run(t.room.Server(), &t.said, &t.complain, t.sys.send(t)...); err != nil {
		return err
	}
	if err := sleep(ctx, 500*time.Millisecond); err != nil { // it must listen before the first asks
		return err
	}
	if err := t.join(0, t.scene.punctual()); err != nil {
		return err
	}
	return t.follow(ctx, seen)
}

// degrade gives the network its faults.
func (t *take) degrade(ctx context.Context) error {
	for i := range t.pcs {
		if err := t.room.LosePC(ctx, i, t.scene.Loss); err != nil {
			return err
		}
		cable := t.b.cable(t.scene)
		if t.scene.slow(i) {
			cable.Mbit = t.scene.SlowMbit
		}
		if err := t.room.ShapePC(ctx, i, cable); err != nil {
			return err
		}
	}
	return nil
}

// join starts the programs of PCs.
func (t *take) join(from, to int) error {
	for i := from; i < to; i++ {
		pc := t.pcs[i]
		p, err := t.room.Run(t.room.PC(i), &pc.said, &t.complain, t.sys.receive(t, pc.disk)...)
		if err != nil {
			return err
		}
		pc.program = p
		go func() {
			<-p.Done()
			pc.mu.Lock()
			pc.left = time.Now()
			pc.mu.Unlock()
		}()
	}
	return nil
}

// follow looks at the room fifty times a second.
func (t *take) follow(ctx context.Context, seen <-chan lab.Datagram) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case d := <-seen:
			t.first, t.from, t.group, seen = d.At, d.From, d.To, nil
		case <-tick.C:
		}
		since := t.began
		if !t.first.IsZero() {
			since = t.first
		}
		if t.over() || time.Since(since) > t.b.limit || t.deserted() {
			return nil
		}
		if err := t.happen(ctx); err != nil {
			return err
		}
	}
}

// happen does what the scene wants at this point of the stream, and keeps the progress.
func (t *take) happen(ctx context.Context) error {
	now, err := t.counter.Bytes()
	if err != nil {
		return err
	}
	if t.first.IsZero() {
		return nil
	}
	sent := now - t.before
	t.samples = append(t.samples, sample{time.Now(), sent, processorTime(t.server.PID())})
	if t.scene.Kill && !t.killed && sent > t.image.size()/2 {
		t.killed = true
		t.pcs[len(t.pcs)-1].program.Kill()
	}
	if t.scene.Flood > 0 && t.flood == nil && time.Since(t.first) > quietFor {
		if err := t.startFlood(ctx); err != nil {
			return err
		}
	}
	if t.scene.Late > 0 && !t.joined && sent > t.image.size()*4/10 {
		t.joined = true
		return t.join(t.scene.punctual(), t.scene.PCs)
	}
	return nil
}

// over tells whether all PCs that were to come have come and ended, or the server has ended before any data.
func (t *take) over() bool {
	if t.first.IsZero() && !t.server.Running() {
		return true
	}
	for _, pc := range t.pcs {
		if pc.program == nil && t.server.Running() || pc.program != nil && pc.program.Running() {
			return false
		}
	}
	return true
}

// afterwards is how long PCs may go on when the server has ended: nothing more can come.
const afterwards = 15 * time.Second

// deserted tells whether the server ended long ago and PCs still wait.
func (t *take) deserted() bool {
	if t.server.Running() {
		t.gone = time.Time{}
		return false
	}
	if t.gone.IsZero() {
		t.gone = time.Now()
	}
	return time.Since(t.gone) > afterwards
}

// end stops what still runs.
func (t *take) end() {
	_, _ = t.flood.end() // judge has asked it, where anybody wants to know
	for _, pc := range t.pcs {
		pc.program.Kill()
	}
	if t.server == nil {
		return
	}
	select {
	case <-t.server.Done():
	case <-time.After(3 * time.Second):
		_ = t.server.Stop(5 * time.Second) // an error says that it had to be killed, which is no news after a run
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
