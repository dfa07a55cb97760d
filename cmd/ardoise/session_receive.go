package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/agent/boot"
	"github.com/ardoise/ardoise/imaging/agent/drive"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/imaging/multicast/udp"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters/manifest"
)

const (
	patience  = 30 * time.Second // that a server which does not answer is waited for: it may be starting
	maxStatus = 64 << 20         // bytes of a session's status
)

// receiving are the flags of session receive.
type receiving struct {
	link
	disk, server, name string
}

func sessionReceive() *cobra.Command {
	var r receiving
	c := &cobra.Command{
		Use: "receive", Short: "make a disk equal to the master that a session sends", Args: cobra.NoArgs,
		Long: "Joins the session of \"ardoise session send\" with the same key, at any time, makes the disk equal to its master, " +
			"writing only what differs, and reads everything back.",
		RunE: func(c *cobra.Command, _ []string) error { return r.run(c) },
	}
	r.flags(c)
	c.Flags().StringVar(&r.disk, "disk", "", "block device or image file")
	c.Flags().StringVar(&r.server, "server", "", "HOST:PORT of the sender")
	c.Flags().StringVar(&r.name, "name", "", "what the sender's lines call this computer (default: its host name)")
	return c
}

func (r *receiving) run(c *cobra.Command) error {
	if r.disk == "" {
		return usagef("say with --disk which block device or image file")
	}
	if _, _, err := net.SplitHostPort(r.server); err != nil {
		return usagef("say with --server HOST:PORT where the sender listens")
	}
	key, err := r.key()
	if err != nil {
		return err
	}
	config, err := key.TLS()
	if err != nil {
		return err
	}
	on, err := udp.ChooseLink(r.iface)
	if err != nil {
		return err
	}
	if r.name == "" {
		r.name, _ = os.Hostname()
	}
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 4}}
	defer web.CloseIdleConnections()
	hash, err := r.wanted(c.Context(), web)
	if err != nil {
		return err
	}
	o := session.ClientOptions{
		HTTP: web, URL: "https://" + r.server, Member: fmt.Sprintf("%s-%d", r.name, os.Getpid()), Manifest: hash, Name: r.name,
		Link: int64(on.Mbit) * 1e6, MTU: on.MTU, GiveUp: patience,
		Now: time.Now, Log: slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn})),
		Notice: func(e wire.Event) {
			_, _ = fmt.Fprintf(c.ErrOrStderr(), "notice: %s\n", oneLine(eventText(e, on)))
		},
	}
	if !on.Wireless {
		o.Interface = on.Name
	}
	warnOf(c.ErrOrStderr(), on)
	if _, available := boot.Memory(); available > 0 { // packets may take a quarter of the RAM: garbage must not take the rest
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(available / 4 * 3))
	}
	defer calm(c.ErrOrStderr(), on)()
	client := session.NewClient(o)
	defer client.Close()
	err = r.receive(c, client, hash)
	var source *restore.SourceError
	if errors.As(err, &source) {
		err = &lostSenderError{r.server, err}
	}
	return withHealth(err, r.disk)
}

// calm keeps this computer from having its switch hold a session back for everybody, and returns what puts that back.
func calm(w io.Writer, on udp.Link) (restore func()) {
	if on.Wireless {
		return func() {}
	}
	pause, err := udp.DisablePause(on.Name)
	if err != nil {
		if !errors.Is(err, udp.ErrNoPause) {
			_, _ = fmt.Fprintf(w, "warning: this computer may hold the session up for all: %v\n", err)
		}
		return func() {}
	}
	return func() {
		if err := pause.Restore(); err != nil {
			_, _ = fmt.Fprintf(w, "warning: %v\n", err)
		}
	}
}

// driveAt finds the drive that a path leads to; false for an image file.
func driveAt(path string) (job.Disk, bool) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	all, err := disk.List()
	at := slices.IndexFunc(all, func(d job.Disk) bool { return d.Path == path })
	if err != nil || at < 0 {
		return job.Disk{}, false
	}
	return all[at], true
}

// withHealth adds to a fault of a disk what the drive says of itself.
func withHealth(err error, path string) error {
	var write *restore.WriteError
	var mismatch *restore.MismatchError
	if !errors.As(err, &write) && !errors.As(err, &mismatch) && !errors.Is(err, unix.EIO) {
		return err
	}
	if d, ok := driveAt(path); ok {
		if h := drive.Look(d).Health; h != nil {
			return &weakDriveError{path, h.String(), err}
		}
	}
	return err
}

// eventText says an event of a session in a sentence; on is where it comes in.
func eventText(e wire.Event, on udp.Link) string {
	switch e.Code {
	case wire.EventNoMulticast:
		return fmt.Sprintf("no multicast reaches %s in %s, everything comes by HTTPS: does the switch forward multicast? %s", on.Name,
			on.Network.Masked(), e.Text)
	case session.EventFlooded:
		return fmt.Sprintf("a switch in %s sends multicast to ports that did not ask for it, so slow ports behind it are full: does it "+
			"snoop IGMP? %s", on.Network.Masked(), e.Text)
	case wire.EventForged:
		return fmt.Sprintf("%d packets with a wrong key came to the group and were dropped %s", e.Count, e.Text)
	case wire.EventPolluted:
		return "a block was not what it should be and is fetched by HTTPS " + e.Text
	case wire.EventInsider:
		return "a computer that has the session's key sends packets of its own; they never reach the disk " + e.Text
	case wire.EventUnreadable:
		return "the server could not read a chunk " + e.Text
	case wire.EventDisk:
		return "the disk refuses writes " + e.Text
	}
	return e.Code + " " + e.Text
}

// wanted asks the sender which master it sends, and waits for a sender that is not there yet.
func (r *receiving) wanted(ctx context.Context, web *http.Client) (manifest.Hash, error) {
	end := time.Now().Add(patience)
	for {
		status, err := r.status(ctx, web)
		var refused net.Error
		switch {
		case err == nil && len(status.Masters) > 0:
			return status.Masters[0], nil
		case err == nil:
			return manifest.Hash{}, errors.New("the session sends no master")
		case errors.Is(err, session.ErrOtherKey) || !errors.As(err, &refused):
			return manifest.Hash{}, fmt.Errorf("asking %s what it sends: %w", r.server, err)
		case time.Now().After(end):
			return manifest.Hash{}, &silentSenderError{r.server, err}
		}
		select {
		case <-ctx.Done():
			return manifest.Hash{}, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func (r *receiving) status(ctx context.Context, web *http.Client) (session.Status, error) {
	var out session.Status
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+r.server+"/status", nil)
	if err != nil {
		return out, usagef("--server %s is no address", r.server)
	}
	q.Header.Set(session.MemberHeader, r.name)
	answer, err := web.Do(q)
	if err != nil {
		return out, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxStatus))
	if err != nil {
		return out, err
	}
	if answer.StatusCode != http.StatusOK {
		return out, fmt.Errorf("it says %s: %s", answer.Status, bytes.TrimSpace(body))
	}
	if err := json.Unmarshal(body, &out); err != nil {
		return out, fmt.Errorf("its status: %w", err)
	}
	return out, nil
}

// receive brings the session to the disk.
func (r *receiving) receive(c *cobra.Command, client *session.Client, hash manifest.Hash) (err error) {
	began := time.Now()
	encoded, _, err := client.Manifest(c.Context())
	if err != nil {
		return err
	}
	m, got, err := manifest.Decode(bytes.NewReader(encoded), job.MaxManifest)
	if err != nil {
		return err
	}
	if got != hash {
		return fmt.Errorf("the manifest of the session has the hash %s, not %s", got, hash)
	}
	d, err := disk.Open(r.disk, disk.Mode{Read: true, Write: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	carousel := &carousel{client: client, m: m}
	lines := &receivedLines{w: c.OutOrStdout(), json: r.json, version: fmt.Sprintf("%s@%d", m.Name, m.Version), now: time.Now, began: began,
		counts: client.Counts}
	ctx, stop := context.WithCancel(c.Context())
	told := make(chan struct{})
	go func() {
		defer close(told)
		_ = every(ctx, time.Second, lines.second)
	}()
	report, err := restore.Run(c.Context(), restore.Options{Manifest: m, Target: d, SectorSize: d.SectorSize(), Carousel: carousel,
		Source: client, Mark: job.Mark{Kind: job.KindDeploy, Master: m.Name, Version: m.Version, Manifest: hash.String()},
		Progress: lines.progress})
	stop()
	<-told
	if err != nil {
		return err
	}
	return lines.last(report, carousel.summary)
}

// carousel runs a session's client for a restore.
type carousel struct {
	client  *session.Client
	m       *manifest.Manifest
	summary session.Summary
}

// Run implements restore.Carousel.
func (c *carousel) Run(ctx context.Context, r restore.Receiver) (err error) {
	c.summary, err = c.client.Run(ctx, c.m, r)
	return err
}
