package fleet_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/sqlite"
	"github.com/ardoise/ardoise/imaging/job"
)

// The region: 53 schools, 15,000 computers, 1,000,000 events, 300 computers at work.
const (
	benchSites     = 53
	benchRooms     = 20 // of each
	benchComputers = 15_000
	benchEvents    = 1_000_000
	benchWorking   = 300
)

// region fills a store, without the decisions that would have led there.
func region(b *testing.B) (*fleet.Fleet, *sqlite.Store) {
	b.Helper()
	ctx := context.Background()
	path := filepath.Join(b.TempDir(), "ardoise.db")
	store, err := sqlite.Open(ctx, path)
	check(b, err)
	b.Cleanup(func() { check(b, store.Close()) })
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	var c fleet.Change
	c.Jobs = []fleet.Job{{ID: "1", Kind: job.KindDeploy, Master: "win", Version: 7, Manifest: "aa", Expires: now.Add(time.Hour)}}
	for s := range benchSites {
		site := fmt.Sprintf("lycee%02d", s)
		c.Sites = append(c.Sites, fleet.Site{Name: site, Networks: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(s), 0, 0}), 16)}})
		for r := range benchRooms {
			c.Rooms = append(c.Rooms, fleet.NewRoom(fmt.Sprintf("%s/S%03d", site, r)))
		}
	}
	for n := range benchComputers {
		room := c.Rooms[n%len(c.Rooms)].Name
		in := hello(n + 1)
		in.Inventory.Model, in.Inventory.MemoryBytes = "OptiPlex 3060", 8<<30
		in.Inventory.NICs = []job.NIC{{Name: "eth0", MAC: mac(n + 1), SpeedMbit: 1000, Link: true}}
		c.Computers = append(c.Computers, fleet.Computer{ID: fmt.Sprintf("c%05d", n), Name: fmt.Sprintf("%s-%05d", fleet.SiteOf(room), n), State: fleet.Enrolled,
			Key: fmt.Sprintf("k%05d", n), KeyStored: true, MACs: []string{mac(n + 1)}, Inventory: in.Inventory, Room: room, LastSeen: now.Add(-time.Duration(n) * time.Minute),
			Runs: &fleet.Proven{Master: "win", Version: 6 + n%2, Manifest: "aa", At: now}, Tags: []string{"fixe"}})
		if n < benchWorking {
			c.Tasks = append(c.Tasks, fleet.Task{ID: fmt.Sprintf("1-%d", n+1), Job: "1", Computer: c.Computers[n].ID, State: job.TaskRunning, Started: now, Handouts: 1, Wrote: true})
		}
	}
	check(b, store.Commit(ctx, c))
	db, err := sql.Open("sqlite", path)
	check(b, err)
	_, err = db.ExecContext(ctx, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		INSERT INTO events(time, kind, severity, site, room, computer, mac, job, task, detail)
		SELECT 1790000000000000000 + i * 1000000000, CASE i % 9 WHEN 0 THEN 'failed' WHEN 1 THEN 'started' ELSE 'step' END,
			CASE WHEN i % 500 = 0 THEN 'alarm' ELSE 'info' END, printf('lycee%02d', i % 53), printf('lycee%02d/S%03d', i % 53, i % 20),
			printf('c%05d', i % 15000), '52:54:00:00:00:01', CAST(i % 800 AS TEXT), '', 'lies beside what is looked for, and makes the table as long as it is'
		FROM n`, benchEvents)
	check(b, err)
	check(b, db.Close())
	f, err := fleet.Open(ctx, fleet.Options{Store: store, Signer: fakeSigner{}, Zone: time.UTC, Now: func() time.Time { return now }})
	check(b, err)
	return f, store
}

// BenchmarkRegion says what a region costs: what pages ask for, and what agents wait for while pages ask.
func BenchmarkRegion(b *testing.B) {
	f, _ := region(b)
	ctx := context.Background()
	for name, do := range map[string]func(){
		"Computers":     func() { f.Computers() },
		"SelectAll":     func() { _, _ = f.Select("") },
		"SelectNotOn7":  func() { _, _ = f.Select("-runs:win@7 unseen>3d") },
		"SelectText":    func() { _, _ = f.Select("optiplex lycee07-1") },
		"SelectSite":    func() { _, _ = f.Select("site:lycee07") },
		"Summary":       func() { f.Summary() },
		"InRoom":        func() { f.InRoom("lycee07/S003") },
		"Find":          func() { _, _ = f.Find("LYCEE07-00431") },
		"FindMAC":       func() { _, _ = f.Find(mac(14_000)) },
		"Boot":          func() { f.Boot(fleet.BootRequest{MAC: mac(14_000), UUID: uuid(14_000)}) },
		"PlanSite":      func() { _, _ = f.Plan(fleet.Order{Kind: job.KindInventory, Sites: []string{"lycee07"}}) },
		"EventsNewest":  func() { _, _ = f.Events(ctx, fleet.EventQuery{Limit: 100}) },
		"EventsDeep":    func() { _, _ = f.Events(ctx, fleet.EventQuery{Limit: 100, Before: 10_000}) },
		"EventsSite":    func() { _, _ = f.Events(ctx, fleet.EventQuery{Limit: 100, Sites: []string{"lycee07"}}) },
		"Events10Sites": func() { _, _ = f.Events(ctx, fleet.EventQuery{Limit: 100, Sites: tenSites()}) },
		"EventsRoom":    func() { _, _ = f.Events(ctx, fleet.EventQuery{Limit: 100, Room: "lycee07/S007"}) },
		"EventsAlarms":  func() { _, _ = f.Events(ctx, fleet.EventQuery{Limit: 100, Severity: fleet.Grave, Sites: tenSites()}) },
		"EventsKind":    func() { _, _ = f.Events(ctx, fleet.EventQuery{Limit: 100, Kind: "failed", Sites: tenSites()}) },
		"EventsNoKind":  func() { _, _ = f.Events(ctx, fleet.EventQuery{Limit: 100, Kind: "failed", Sites: []string{"nowhere"}}) },
		"EventsSince":   func() { _, _ = f.Events(ctx, fleet.EventQuery{Limit: 100, Since: time.Unix(1790999990, 0)}) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				do()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/op")
		})
	}
	b.Run("ReportWhileListed", func(b *testing.B) { reports(b, f) })
}

func tenSites() []string {
	var out []string
	for n := range 10 {
		out = append(out, fmt.Sprintf("lycee%02d", n))
	}
	return out
}

// reports measures how long an agent's report takes while two pages list everything ten times a second.
func reports(b *testing.B, f *fleet.Fleet) {
	ctx, stop := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	for range 2 {
		wait.Go(func() {
			for ctx.Err() == nil {
				f.Computers()
				f.Summary()
				time.Sleep(100 * time.Millisecond)
			}
		})
	}
	var took []time.Duration
	n := 0
	for b.Loop() {
		n++
		begin := time.Now()
		_, err := f.Report(context.Background(), fmt.Sprintf("k%05d", n%benchWorking), job.Report{Task: fmt.Sprintf("1-%d", n%benchWorking+1),
			State: job.TaskRunning, Done: int64(n), Total: 1 << 30, Written: 1, Steps: []string{"write"}})
		check(b, err)
		took = append(took, time.Since(begin))
	}
	stop()
	wait.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(0, "ns/op") // it says how often they came, not how long they took
}
