package crowd

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/job"
)

// Options of a crowd.
type Options struct {
	Server string   // HOST:PORT of the agents' API
	CA     [32]byte // SHA-256 of the CA certificate
	Seed   uint64
	Size   int           // computers
	Work   time.Duration // that a task takes, spread by a fifth in both directions
	Pause  time.Duration // between reports; 0: a second
	// Fails says how the task of computer i ends: a code of imaging/agent/notices, "" when all is well. May be nil.
	Fails func(i int, t job.Task) string
	// Dress changes what is invented, before it says hello: names that are none, for instance. May be nil.
	Dress func(m *Member)
	// Disk is the image of the disk of computer i, which its captures read. May be nil: a capture then publishes nothing.
	Disk func(i int) (path string)
	// Join has computers take part in the multicast sessions of their tasks, by HTTPS: none hears multicast.
	Join bool
	// Hail is called with the code that a computer shows while it waits for approval, once. May be nil.
	Hail func(ctx context.Context, m Member) error
}

// Member is one computer of a crowd.
type Member struct {
	Index     int
	MAC       string
	Code      string // six digits, while it waits for approval
	Inventory job.Inventory
}

// Run plays all computers until ctx ends, or one of them meets what no agent should.
func Run(ctx context.Context, o Options) error {
	if o.Pause == 0 {
		o.Pause = time.Second
	}
	g, ctx := errgroup.WithContext(ctx)
	for i := range o.Size {
		m := New(o.Seed, i)
		if o.Dress != nil {
			o.Dress(&m)
		}
		g.Go(func() error {
			if err := m.play(ctx, o); err != nil && ctx.Err() == nil {
				return fmt.Errorf("computer %d of the crowd: %w", i, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// New invents computer i of a seed.
func New(seed uint64, i int) Member {
	r := rand.New(rand.NewPCG(seed, uint64(i)))
	models := []struct {
		maker, name string
		memory      int64
		disk        string
		size        int64
		bus         string
	}{
		{"Dell Inc.", "OptiPlex 3060", 8 << 30, "TOSHIBA KXG60ZNV256G", 256_060_514_304, "nvme"},
		{"HP", "HP ProDesk 400 G6", 16 << 30, "SAMSUNG MZVLQ512HALU", 512_110_190_592, "nvme"},
		{"LENOVO", "ThinkCentre M720q", 8 << 30, "ST500LM034", 500_107_862_016, "sata"},
		{"Acer", "Veriton N4640G", 4 << 30, "KINGSTON SA400S37240G", 240_057_409_536, "sata"},
	}
	x := models[r.IntN(len(models))]
	mac := fmt.Sprintf("52:54:%02x:%02x:%02x:%02x", byte(seed), byte(i>>16), byte(i>>8), byte(i))
	speed := 1000
	if r.IntN(20) == 0 {
		speed = 100 // a bad cable: there is one in every room
	}
	return Member{Index: i, MAC: mac, Inventory: job.Inventory{
		UUID:   fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", r.Uint32(), r.IntN(1<<16), r.IntN(1<<12), r.IntN(1<<12), r.Uint64N(1<<48)),
		Serial: fmt.Sprintf("%s%06d", string(rune('A'+r.IntN(26))), i), BoardSerial: fmt.Sprintf("/%08X/", r.Uint32()),
		Manufacturer: x.maker, Model: x.name, Firmware: "1.21.0", UEFI: true, SecureBoot: true, TPM: "2.0",
		CPU: "Intel(R) Core(TM) i5-8500T CPU @ 2.10GHz", Cores: 6, MemoryBytes: x.memory,
		Disks: []job.Disk{{Path: "/dev/nvme0n1", Size: x.size, SectorSize: 512, Model: x.disk, Serial: fmt.Sprintf("S%010d", r.IntN(1e9)), Bus: x.bus}},
		NICs:  []job.NIC{{Name: "eno1", MAC: mac, Driver: "e1000e", SpeedMbit: speed, Link: true, Boot: true}},
	}}
}

// play is the life of one computer.
func (m Member) play(ctx context.Context, o Options) error {
	key, err := client.NewKey()
	if err != nil {
		return err
	}
	c, err := m.dial(o, key)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := m.enrol(ctx, o, c); err != nil {
		return err
	}
	for ctx.Err() == nil {
		e, found, err := c.Task(ctx)
		if err != nil {
			return fmt.Errorf("asking for a task: %w", err)
		}
		if !found {
			continue
		}
		var t job.Task
		if err := json.Unmarshal(e.Payload, &t); err != nil {
			return fmt.Errorf("reading a task: %w", err)
		}
		if err := m.work(ctx, o, c, t); err != nil {
			return fmt.Errorf("task %s: %w", t.ID, err)
		}
	}
	return nil
}

func (m Member) dial(o Options, key *ecdsa.PrivateKey) (*client.Client, error) {
	return client.New(client.Options{Server: o.Server, Fingerprint: o.CA, Key: key, Source: m.source(o)})
}

// source is the computer's own address where the server is on loopback: from one the API takes few connections.
func (m Member) source(o Options) net.IP {
	host, _, err := net.SplitHostPort(o.Server)
	if err != nil || !net.ParseIP(host).IsLoopback() {
		return nil
	}
	n := m.Index + 1
	return net.IPv4(127, 77, byte(n>>8), byte(n))
}

// enrol says hello until a person, or a window, approves.
func (m Member) enrol(ctx context.Context, o Options, c *client.Client) error {
	for hailed := false; ; {
		w, err := c.Hello(ctx, job.Hello{AgentVersion: "crowd", MAC: m.MAC, NewKey: true, Inventory: m.Inventory})
		if err != nil {
			return fmt.Errorf("saying hello: %w", err)
		}
		switch {
		case w.State == job.StateEnrolled:
			return nil
		case w.State != job.StatePending:
			return fmt.Errorf("it is %s: %s", w.State, w.Reason)
		case !hailed && o.Hail != nil:
			m.Code, hailed = w.Code, true
			if err := o.Hail(ctx, m); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(o.Pause):
		}
	}
}

// steps that a task shows, as an agent names them.
func steps(k job.Kind) []string {
	if k == job.KindDeploy || k == job.KindReset {
		return []string{"disk", "manifest", "restore", "read-back"}
	}
	return []string{string(k)}
}

// stepAt is the step of a round: of four the third, which writes, takes nearly all of the time.
func stepAt(steps, round, rounds int) int {
	switch {
	case steps < 4:
		return steps * round / rounds
	case round < 2:
		return round
	case round < rounds*9/10:
		return 2
	}
	return 3
}

// size of what a task moves, bytes: what a room's master has.
const size = 12 << 30

// work plays one task.
func (m Member) work(ctx context.Context, o Options, c *client.Client, t job.Task) error {
	r := rand.New(rand.NewPCG(o.Seed, uint64(m.Index)+1<<32))
	rounds := max(int(o.Work/o.Pause), 2)
	rounds = max(rounds-rounds/5+r.IntN(2*(rounds/5)+1), 2)
	if t.Manifest != "" {
		if _, _, err := c.Manifest(ctx, t.Manifest); err != nil {
			return fmt.Errorf("fetching the manifest: %w", err)
		}
	}
	if o.Join && t.Session != "" {
		leave, err := m.join(ctx, c, t)
		if err != nil {
			return err
		}
		defer leave()
	}
	begun, rate := time.Now(), int64(float64(size)/float64(rounds)/o.Pause.Seconds())
	report := job.Report{Task: t.ID, State: job.TaskRunning, Steps: steps(t.Kind), Total: size}
	code := "ok"
	if o.Fails != nil {
		if bad := o.Fails(m.Index, t); bad != "" {
			code = bad
		}
	}
	for i := range rounds {
		report.Step = stepAt(len(report.Steps), i, rounds)
		report.Done = int64(size) * int64(i) / int64(rounds)
		if t.Kind == job.KindDeploy || t.Kind == job.KindReset {
			report.Written, report.Fetched = report.Done, report.Done
			report.Session = &job.Reception{State: job.ReceptionNone, Interface: "eno1", WireRate: rate, DiskRate: rate,
				HTTPS: report.Done}
			report.Mark = &job.Mark{Task: t.ID, Job: t.Job, Kind: t.Kind, Master: t.Master, Version: t.Version, Manifest: t.Manifest, Phase: "data"}
		}
		if code != "ok" && i == rounds/2 {
			break
		}
		if _, err := c.Report(ctx, report); err != nil {
			return fmt.Errorf("reporting: %w", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(o.Pause):
		}
	}
	if t.Kind == job.KindCapture && o.Disk != nil && code == "ok" {
		if err := publish(ctx, c, t, o.Disk(m.Index)); err != nil {
			return err
		}
	}
	return m.end(ctx, c, t, report, code, time.Since(begun))
}

// end is the last report of a task.
func (m Member) end(ctx context.Context, c *client.Client, t job.Task, report job.Report, code string, took time.Duration) error {
	report.State = job.TaskDone
	report.Outcome = &job.Outcome{Code: code, ReadBytes: report.Done, WrittenBytes: report.Written, StoredBytes: report.Fetched / 2, Seconds: took.Seconds()}
	if code != "ok" {
		report.State, report.Outcome.Detail = job.TaskFailed, "/dev/nvme0n1, sector 113152 cannot be written"
	} else {
		report.Mark, report.Outcome.ProvenAt = nil, time.Now().UTC()
	}
	if t.Kind == job.KindWipe {
		report.Outcome.Wipe = m.wiped(t, time.Now().Add(-took))
	}
	_, err := c.Deliver(ctx, report)
	var refused *client.ProblemError
	if errors.As(err, &refused) {
		return fmt.Errorf("reporting the end: %w", err)
	}
	return err
}
