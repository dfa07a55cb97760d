package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/ardoise/ardoise/fleet/sessions"
	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/imaging/multicast/udp"
	"github.com/ardoise/ardoise/masters"
)

// maxKeyFile is more than a key file ever is, in bytes.
const maxKeyFile = 4 << 10

func sessionCommand() *cobra.Command {
	c := &cobra.Command{Use: "session", Short: "send a master to many disks at once, without a daemon", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return usagef("say what to do: send or receive") }}
	c.AddCommand(sessionSend(), sessionReceive())
	return c
}

// link is what both ends of a session that stands alone share.
type link struct {
	iface, keyFile string
	json           bool
}

func (l *link) flags(c *cobra.Command) {
	c.Flags().StringVar(&l.iface, "interface", "", "network interface, needed where there are several")
	c.Flags().StringVar(&l.keyFile, "key", "", "file with 32 random bytes in base64, the same at both ends (openssl rand -base64 32)")
	c.Flags().BoolVar(&l.json, "json", false, "print a line of JSON a second")
}

// key reads the key file.
func (l *link) key() (session.FileKey, error) {
	if l.keyFile == "" {
		return session.FileKey{}, usagef("say with --key which file holds the key of the session")
	}
	f, err := os.Open(l.keyFile)
	if err != nil {
		return session.FileKey{}, &noKeyFileError{err}
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return session.FileKey{}, &noKeyFileError{err}
	}
	return session.ParseFileKey(content)
}

// parseRate reads a speed of the command line, in Mb/s on the wire, and returns bytes of UDP payload a second; 0 is auto.
func parseRate(s string) (int64, error) {
	if s == "auto" {
		return 0, nil
	}
	mbit, err := strconv.ParseFloat(s, 64)
	if err != nil || !(mbit >= 1 && mbit <= 100_000) {
		return 0, usagef("--rate is auto, or from 1 to 100000 Mb/s, not %q", s)
	}
	return sessions.Payload(int64(mbit * 1e6)), nil
}

// sending are the flags of session send.
type sending struct {
	link
	data, listen, rate string
	computers, ttl     int
	holdOff, linger    time.Duration
}

func sessionSend() *cobra.Command {
	var s sending
	c := &cobra.Command{
		Use: "send NAME[@VERSION|@CHANNEL]", Short: "send a master to every computer that joins", Args: cobra.ExactArgs(1),
		Long: "Sends a master by multicast to every computer that runs \"ardoise session receive\" with the same key, from when " +
			"all --computers are there or the hold-off is over, until everybody is done. Who comes late gets all the same.",
		RunE: func(c *cobra.Command, args []string) error { return s.run(c, args[0]) },
	}
	s.flags(c)
	dataFlag(c, &s.data)
	c.Flags().StringVar(&s.listen, "listen", ":7443", "address of the control channel")
	c.Flags().IntVar(&s.computers, "computers", 0, "begin as soon as so many are there")
	c.Flags().DurationVar(&s.holdOff, "hold-off", 20*time.Second, "begin so long after the first one came")
	c.Flags().DurationVar(&s.linger, "linger", session.DefaultLinger, "wait so long for late ones after everybody is done")
	c.Flags().StringVar(&s.rate, "rate", "auto", "Mb/s on the wire, or auto: as fast as most computers can take it")
	c.Flags().IntVar(&s.ttl, "multicast-ttl", 1, ttlText)
	return c
}

func (s *sending) run(c *cobra.Command, ref string) (err error) {
	if _, err := masters.ParseRef(ref); err != nil {
		return err
	}
	limit, err := parseRate(s.rate)
	if err != nil {
		return err
	}
	if s.computers < 0 || s.holdOff < 0 || s.linger < 0 {
		return usagef("--computers, --hold-off and --linger cannot be negative")
	}
	if err := checkTTL(s.ttl); err != nil {
		return err
	}
	key, err := s.key()
	if err != nil {
		return err
	}
	on, err := udp.ChooseLink(s.iface)
	if err != nil {
		return err
	}
	warnOf(c.ErrOrStderr(), on)
	lib, err := openLibrary(s.data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lib.Close()) }()
	v, err := lib.Resolve(ref)
	if err != nil {
		return err
	}
	encoded, signature, err := lib.Manifest(v.Hash)
	if err != nil {
		return err
	}
	secret, err := key.Secret(rand.Reader)
	if err != nil {
		return err
	}
	server, err := session.NewServer(session.ServerOptions{
		Masters: []session.Master{{Manifest: encoded, Signature: signature}}, Frames: lib, Authoriser: session.OwnName{},
		Secret: secret, Random: rand.Reader, Now: time.Now, Log: slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil)),
		Interface: on.Name, TTL: s.ttl, Expected: s.computers, HoldOff: max(s.holdOff, 1), Linger: max(s.linger, 1), Rate: limit,
	})
	if err != nil {
		return err
	}
	return s.serve(c, key, on, server, v)
}

// serve runs the session, its control channel, the querier of last resort and the lines for people.
func (s *sending) serve(c *cobra.Command, key session.FileKey, on udp.Link, server *session.Server, v masters.Version) error {
	config, err := key.TLS()
	if err != nil {
		return errors.Join(err, server.Close())
	}
	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return errors.Join(fmt.Errorf("listening on %s: %w", s.listen, err), server.Close())
	}
	control := &http.Server{Handler: server, TLSConfig: config, ReadHeaderTimeout: 10 * time.Second, ErrorLog: quiet()}
	lines := &sentLines{w: c.OutOrStdout(), json: s.json, version: v.String(), now: time.Now}
	ctx, stop := context.WithCancel(c.Context())
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer stop()
		err := server.Run(ctx)
		if c.Context().Err() != nil {
			return c.Context().Err()
		}
		return err
	})
	group.Go(func() error {
		if err := control.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving the control channel: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return control.Shutdown(ending)
	})
	group.Go(func() error {
		// Without a querier some switches stop a session after four minutes; without the right to ask it goes on so.
		if err := (udp.Querier{Interface: on.Name}).Run(ctx); err != nil && ctx.Err() == nil {
			_, _ = fmt.Fprintf(c.ErrOrStderr(), "warning: nobody asks switches to keep the session's groups: %v\n", err)
		}
		return nil
	})
	group.Go(func() error {
		return every(ctx, time.Second, func() error { return lines.second(server.Status()) })
	})
	err = group.Wait()
	if errors.Is(err, context.Canceled) && c.Context().Err() == nil {
		err = nil
	}
	return errors.Join(err, lines.last(server.Status()))
}

// warnOf warns of what an interface does to a whole session.
func warnOf(w io.Writer, on udp.Link) {
	if on.Wireless {
		_, _ = fmt.Fprintf(w, "warning: %s is Wi-Fi, where multicast is slow and unsafe: send by a cable\n", on.Name)
	}
	if on.Half {
		_, _ = fmt.Fprintf(w, "warning: %s is in half duplex, which slows everybody: look at its cable and at the switch's port\n", on.Name)
	}
}

// quiet logs nothing: a port that is open to a school hears a lot of nonsense.
func quiet() *log.Logger { return slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug) }

// every calls do at each end of a period until ctx is done or it fails.
func every(ctx context.Context, period time.Duration, do func() error) error {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := do(); err != nil {
				return err
			}
		}
	}
}
