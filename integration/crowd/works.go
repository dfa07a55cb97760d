package crowd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/capture"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/masters/manifest"
)

// publish captures an image as an agent captures its disk: that is no play.
func publish(ctx context.Context, c *client.Client, t job.Task, image string) error {
	d, err := disk.Open(image, disk.Mode{Read: true})
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	sink := c.Sink(t.ID)
	var names bytes.Buffer
	m, _, err := capture.Run(ctx, capture.Options{Disk: d, Size: d.Size(), SectorSize: d.SectorSize(), Sink: sink, Names: &names, AsIs: t.AsIs})
	if err != nil {
		return fmt.Errorf("capturing %s: %w", image, err)
	}
	_, err = sink.Publish(ctx, client.Description{Manifest: func(w io.Writer) error {
		_, err := m.Encode(w)
		return err
	}, Names: func(w io.Writer) error {
		_, err := w.Write(names.Bytes())
		return err
	}})
	if err != nil {
		return fmt.Errorf("publishing what was captured: %w", err)
	}
	return nil
}

// join takes part in a task's session until the function that it returns is called, without ever needing anything.
func (m Member) join(ctx context.Context, c *client.Client, t job.Task) (leave func(), err error) {
	hash, err := manifest.ParseHash(t.Manifest)
	if err != nil {
		return nil, err
	}
	web, url, err := c.Session(t.Session, func(client.SessionAnswer) {})
	if err != nil {
		return nil, err
	}
	s := session.NewClient(session.ClientOptions{HTTP: web, URL: url, Manifest: hash, Name: t.Computer, Memory: 8 << 20, Workers: 1, Now: time.Now,
		Log: slog.New(slog.DiscardHandler)})
	if _, _, err := s.Manifest(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("joining session %s: %w", t.Session, err)
	}
	return s.Close, nil
}

// wiped is what a computer that erased nothing says of it.
func (m Member) wiped(t job.Task, began time.Time) *job.WipeProof {
	d := m.Inventory.Disks[0]
	return &job.WipeProof{Ordered: t.Wipe.Method, Method: job.WipeSanitize, Reported: "NVMe Sanitize, block erase", Path: d.Path, Model: d.Model,
		Serial: d.Serial, Size: d.Size, Verified: d.Size / 50, Started: began.UTC(), Ended: time.Now().UTC()}
}
