package agent

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/agent/peer"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/manifest"
)

// How long a computer that has finished gives chunks to others.
const (
	helpSeconds = 600 // at most
	helpEvery   = 5   // seconds between two offers
	helpLost    = 3   // offers that may be lost one after the other
)

// help gives chunks to others of the session for as long as the server has use for it. It is done only where nobody waits
// for this computer: one that starts its system next may be wanted at once. Whatever goes wrong here is no fault of the
// deploy, which is over.
func (a *agent) help(ctx context.Context, t job.Task, m *manifest.Manifest) {
	if t.Session == "" || t.Ending != job.EndPowerOff && t.Ending != job.EndStay {
		return
	}
	if err := a.helpWith(ctx, t, m); err != nil {
		a.Screen.Note("helping others: %v", err)
	}
}

func (a *agent) helpWith(ctx context.Context, t job.Task, m *manifest.Manifest) error {
	l, err := net.Listen("tcp4", ":0")
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	offer := job.Serving{Task: t.ID, Session: t.Session, Manifest: t.Manifest, Port: l.Addr().(*net.TCPAddr).Port}
	reply, err := a.client.Serve(ctx, offer)
	var refused *client.ProblemError
	switch {
	case errors.As(err, &refused): // it knows no peers, or has no use for this one
		return nil
	case err != nil || reply.Stop || reply.Token == "":
		return err
	}
	chosen, err := a.choose(t.Disk)
	if err != nil {
		return err
	}
	d, err := a.open(t.Disk, chosen, disk.Mode{Read: true})
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	cert, err := client.Certificate(a.key)
	if err != nil {
		return err
	}
	s, err := peer.New(peer.Options{Disk: d, Manifest: m, Certificate: cert, Token: reply.Token})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	over := make(chan error, 1)
	go func() { over <- s.Serve(ctx, l) }()
	err = a.offer(ctx, offer, s, fmt.Sprintf("%s@%d", t.Master, t.Version))
	stop()
	return errors.Join(err, <-over)
}

// offer tells the server that we are there until it needs us no more, and then that we leave.
func (a *agent) offer(ctx context.Context, o job.Serving, s *peer.Server, name string) error {
	lost := 0
	for passed := 0; passed < helpSeconds && lost < helpLost; passed += helpEvery {
		a.Screen.Say(notices.Helping, name, s.Sent()/1_000_000)
		if err := a.sleep(ctx, helpEvery*a.Second); err != nil {
			return err
		}
		o.Sent = s.Sent()
		one, cancel := context.WithTimeout(ctx, reportLimit)
		reply, err := a.client.Serve(one, o)
		cancel()
		var refused *client.ProblemError
		switch {
		case err == nil && reply.Stop, errors.As(err, &refused) && refused.Status/100 == 4:
			a.Screen.Note("helped others with %d bytes", o.Sent)
			return nil
		case err != nil:
			lost++
		default:
			lost = 0
			s.SetToken(reply.Token)
		}
	}
	o.Sent, o.Leaving = s.Sent(), true
	one, cancel := context.WithTimeout(context.WithoutCancel(ctx), reportLimit)
	defer cancel()
	_, _ = a.client.Serve(one, o) // a server that does not hear it finds out
	a.Screen.Note("helped others with %d bytes", o.Sent)
	return nil
}
