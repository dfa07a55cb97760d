package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/sqlite"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/integration/crowd"
)

// opened starts a daemon on a new data folder, with a small master and an administrator who has signed in.
func opened(ctx context.Context, fill func(data string) error) (d *daemon, b *browser, done func() error, err error) {
	dir, err := os.MkdirTemp("", "fleetbench")
	if err != nil {
		return nil, nil, nil, err
	}
	fmt.Println("in", dir)
	closers := []func() error{func() error { return os.RemoveAll(dir) }}
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll(closers[1:])) // the folder stays, for the log
		}
	}()
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		return nil, nil, nil, err
	}
	if err := master(ctx, dir, data); err != nil {
		return nil, nil, nil, err
	}
	if fill != nil {
		if err := fill(data); err != nil {
			return nil, nil, nil, err
		}
	}
	if d, err = start(ctx, data); err != nil {
		return nil, nil, nil, err
	}
	closers = append(closers, d.stop)
	if b, err = newBrowser(d); err != nil {
		return nil, nil, nil, err
	}
	if err := b.first(ctx, d.first); err != nil {
		return nil, nil, nil, err
	}
	return d, b, func() error { return closeAll(closers) }, nil
}

// master captures a small disk.
func master(ctx context.Context, dir, data string) error {
	image := filepath.Join(dir, "disk.img")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(image, 64<<20); err != nil {
		return err
	}
	table := exec.CommandContext(ctx, "/usr/sbin/sfdisk", "-q", image)
	table.Stdin = strings.NewReader("label: gpt\nsize=32MiB, type=linux\n")
	if out, err := table.CombinedOutput(); err != nil {
		return fmt.Errorf("sfdisk: %w: %s", err, out)
	}
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	content := make([]byte, 4<<20)
	_, rerr := rand.Read(content)
	_, werr := f.WriteAt(content, 1<<20)
	if err := errors.Join(rerr, werr, f.Close()); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, binary(), "master", "capture", "bench", "--disk", image, "--data", data, "--as-is").CombinedOutput()
	if err != nil {
		return fmt.Errorf("capturing a master: %w: %s", err, out)
	}
	return os.Remove(image)
}

// work is how long the deployment of one computer takes in the crowd.
const work = 90 * time.Second

// crowd measures the console while a school is deployed.
func (r *Result) crowd(ctx context.Context, size int, pages bool) (err error) {
	d, b, done, err := opened(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	agents, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	defer func() {
		stop()
		err = errors.Join(err, <-ended)
	}()
	approving := make(chan struct{}, 4)
	rooms := (size + 29) / 30
	for i := range rooms {
		if _, err := d.order(ctx, "room", "set", fmt.Sprintf("S%d", 101+i), "--reset", "demand"); err != nil {
			ended <- nil
			return err
		}
	}
	enrolled := make(chan error, size)
	go func() {
		err := crowd.Run(agents, crowd.Options{Server: d.agents, CA: d.ca, Seed: 1, Size: size, Work: work,
			Hail: func(ctx context.Context, m crowd.Member) error {
				approving <- struct{}{}
				defer func() { <-approving }()
				name := fmt.Sprintf("S%d-%02d", 101+m.Index/30, m.Index%30+1)
				_, err := d.order(ctx, "computer", "approve", m.Code, "--name", name)
				if err == nil {
					_, err = d.order(ctx, "computer", "room", name, name[:strings.IndexByte(name, '-')])
				}
				enrolled <- err
				return err
			}})
		if agents.Err() != nil {
			err = nil
		}
		ended <- err
	}()
	for range size {
		select {
		case err := <-enrolled:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	fmt.Printf("%d agents are enrolled\n", size)
	if r.Visit, err = visit(ctx, b, "/"); err != nil {
		return err
	}
	if r.Visit.Bytes > visitBytes {
		r.miss("a first visit is %d bytes, at most %d", r.Visit.Bytes, visitBytes)
	}
	if !pages {
		return nil
	}
	return r.deployed(ctx, d, rooms)
}

// deployed lets technicians click while all computers are deployed.
func (r *Result) deployed(ctx context.Context, d *daemon, rooms int) error {
	first := ""
	for i := range rooms {
		var j struct {
			ID string `json:"id"`
		}
		if err := d.ask(ctx, &j, "deploy", "bench", "--room", fmt.Sprintf("S%d", 101+i), "--yes", "--unicast"); err != nil {
			return err
		}
		if first == "" {
			first = j.ID
		}
	}
	found, err := click(ctx, d, "crowd", []string{"/", "/rooms/S101", "/jobs/" + first, "/jobs", "/computers", "/masters", "/computers/S101-07"}, 4, 12)
	if err != nil {
		return err
	}
	for i := range found {
		found[i].Bar = fmt.Sprintf("%d / %d ms", crowdMedian, crowdWorst)
		if found[i].Median > crowdMedian || found[i].P99 > crowdWorst {
			r.miss("crowd, %s: median %.0f ms, 99th %.0f ms, at most %d and %d", found[i].Page, found[i].Median, found[i].P99, crowdMedian, crowdWorst)
		}
	}
	r.Pages = append(r.Pages, found...)
	var jobs []struct{ State string }
	for deadline := time.Now().Add(10 * time.Minute); ; time.Sleep(time.Second) {
		if err := d.ask(ctx, &jobs, "job", "list"); err != nil {
			return err
		}
		open := 0
		for _, j := range jobs {
			if j.State == job.TaskRunning || j.State == job.TaskWaiting {
				open++
			}
		}
		if open == 0 {
			break
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("%d of %d jobs are not over after ten minutes", open, len(jobs))
		}
	}
	for _, j := range jobs {
		if j.State != job.TaskDone {
			r.miss("crowd: a job is %s", j.State)
		}
	}
	return r.judge(d, "crowd")
}

// judge notes what the daemon took.
func (r *Result) judge(d *daemon, scene string) error {
	took, err := d.took(scene)
	if err != nil {
		return err
	}
	r.Daemon = append(r.Daemon, took)
	if scene == "crowd" && took.Memory > crowdMemory {
		r.miss("crowd: the daemon took %d bytes, at most %d", took.Memory, crowdMemory)
	}
	if took.Locked > 0 {
		r.miss("%s: the database was locked %d times", scene, took.Locked)
	}
	return nil
}

// region measures the console of fifteen thousand computers.
func (r *Result) region(ctx context.Context) (err error) {
	d, _, done, err := opened(ctx, func(data string) error { return furnish(ctx, filepath.Join(data, "ardoise.db")) })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	found, err := click(ctx, d, "region", []string{"/", "/?q=" + "-runs%3ABureautique%407", "/computers", "/computers?q=link%3C%3D100",
		"/computers?q=unseen%3E30d", "/computers?q=optiplex", "/rooms/S104", "/audit"}, 1, 20)
	if err != nil {
		return err
	}
	for i := range found {
		found[i].Bar = fmt.Sprintf("%d ms", regionWorst)
		if found[i].P99 > regionWorst {
			r.miss("region, %s: 99th %.0f ms, at most %d", found[i].Page, found[i].P99, regionWorst)
		}
	}
	r.Pages = append(r.Pages, found...)
	return r.judge(d, "region")
}

// furnish fills a database with a region: 500 rooms of 30 computers, and what has happened to them.
func furnish(ctx context.Context, path string) (err error) {
	store, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	now := time.Now().UTC()
	var change fleet.Change
	for i := range region / 30 {
		change.Rooms = append(change.Rooms, fleet.NewRoom(fmt.Sprintf("S%d", 101+i)))
	}
	ids := make([]string, region)
	for i := range region {
		m := crowd.New(2, i)
		room := fmt.Sprintf("S%d", 101+i/30)
		c := fleet.Computer{ID: fmt.Sprintf("%032x", i+1), Name: fmt.Sprintf("%s-%02d", room, i%30+1), State: fleet.Enrolled, Key: fmt.Sprintf("%064x", i+1),
			MACs: []string{m.MAC}, Inventory: m.Inventory, Created: now.Add(-300 * 24 * time.Hour), LastSeen: now.Add(-time.Duration(i%60) * 24 * time.Hour),
			Stage: fleet.StageAgent, Room: room, Runs: &fleet.Proven{Master: "Bureautique", Version: 5 + i%3, Manifest: fmt.Sprintf("%064x", i%3), At: now.Add(-time.Duration(i%90) * 24 * time.Hour)}}
		ids[i] = c.ID
		change.Computers = append(change.Computers, c)
	}
	if err := store.Commit(ctx, change); err != nil {
		return err
	}
	for n := 0; n < regionEvents; {
		var events fleet.Change
		for range 10_000 {
			events.Events = append(events.Events, fleet.Event{Time: now.Add(time.Duration(n-regionEvents) * time.Second), Kind: "step", Severity: fleet.Info,
				Computer: ids[n%region], Detail: "restore"})
			n++
		}
		if err := store.Commit(ctx, events); err != nil {
			return err
		}
	}
	fmt.Printf("%d computers and %d events are there\n", region, regionEvents)
	return nil
}
