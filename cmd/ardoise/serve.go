package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/agentapi"
	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/console/door"
	"github.com/ardoise/ardoise/console/metrics"
	"github.com/ardoise/ardoise/console/post"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/fleet/rates"
	"github.com/ardoise/ardoise/fleet/requests"
	"github.com/ardoise/ardoise/fleet/sessions"
	"github.com/ardoise/ardoise/fleet/sqlite"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/pxe"
)

// serveOptions are the flags of `ardoise serve`.
type serveOptions struct {
	data       string
	interfaces []string
	boot       string
	kernelArgs string
	httpPort   int
	agentPort  int
	unknown    string
	replica    string
	multicast  multicastFlags
	console    consoleFlags
	verbose    bool
}

// noBoot is the --boot of a daemon that only speaks to agents: PCs are started by a stick, or by somebody else's server.
const noBoot = "none"

func newServe() *cobra.Command {
	var o serveOptions
	c := &cobra.Command{
		Use:   "serve",
		Short: "run the daemon: start PCs from the network and serve their agents",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.data == "" {
				return usagef("say where the data is: --data DIR")
			}
			ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			return serve(ctx, o, c.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.StringVar(&o.data, "data", "", "folder of everything that is kept: masters, keys, computers, jobs")
	f.StringSliceVar(&o.interfaces, "interface", nil, "network interfaces to start PCs through (default: all wired ones)")
	f.StringVar(&o.boot, "boot", defaultBoot(), "folder of the boot environment, or none")
	f.StringVar(&o.kernelArgs, "kernel-args", "", "more arguments for the agent's kernel")
	f.IntVar(&o.httpPort, "http-port", pxe.DefaultHTTP, "TCP port that firmware and GRUB fetch from")
	f.IntVar(&o.agentPort, "agent-port", 7443, "TCP port of the agents' API")
	f.StringVar(&o.unknown, "unknown", "agent", "what computers that nobody knows start: agent (so that they can be enrolled) or disk")
	f.StringVar(&o.replica, "replica", "", "data folder of another box, or a copy of one, that damaged chunks are healed from")
	o.multicast.add(f)
	o.console.add(f)
	f.BoolVar(&o.verbose, "verbose", false, "log what is only of interest when something does not work")
	return c
}

// defaultBoot is the boot environment beside the program, as a checkout builds it, else the installed one.
func defaultBoot() string {
	if exe, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(exe), "boot")
		if info, err := os.Stat(beside); err == nil && info.IsDir() {
			return beside
		}
	}
	return "/usr/share/ardoise/boot"
}

// site is everything a running daemon holds.
type site struct {
	o          serveOptions
	log        *slog.Logger
	kernelArgs string
	started    time.Time

	library    *masters.Library
	replica    *replica // nil: none
	store      *sqlite.Store
	fleet      *fleet.Fleet
	sessions   *sessions.Manager
	rates      *rates.Recorder
	people     *people.People
	house      *access.House // all that people and programs may ask for
	requests   *requests.Requests
	post       *post.Post // the morning's reports
	ca         *agentapi.CA
	stage2     *agentapi.StageTwo
	leaf       atomic.Pointer[tls.Certificate]
	certifying sync.Mutex // guards certified, and is held while a certificate is made
	certified  []string   // the names that the certificate is for
	names      door.Names // by which people come that the console's certificate does not have
	known      atomic.Pointer[[]netip.Addr]

	answering   *agentapi.Server
	metrics     *metrics.Metrics
	agents      net.Listener
	console     net.Listener                                         // nil: there is none
	certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error) // of the console
	orders      *net.UnixListener
}

// serve runs the daemon until ctx ends.
func serve(ctx context.Context, o serveOptions, stderr io.Writer) (err error) {
	if o.unknown != "agent" && o.unknown != "disk" {
		return usagef("--unknown is agent or disk, not %q", o.unknown)
	}
	for _, port := range []int{o.agentPort, o.httpPort} {
		if port < 1 || port > 65535 {
			return usagef("a port is 1 to 65535, not %d", port)
		}
	}
	limits, err := o.multicast.limits()
	if err = errors.Join(err, o.console.check()); err != nil {
		return err
	}
	unix.Umask(0o077) // keys, masters and the socket are nobody else's
	level := slog.LevelInfo
	if o.verbose {
		level = slog.LevelDebug
	}
	s := &site{o: o, log: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level})),
		kernelArgs: o.kernelArgs, started: time.Now().UTC()}
	s.o.interfaces = splitList(o.interfaces)
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.open(ctx); err != nil {
		return err
	}
	s.sessions = s.newSessions(limits)
	s.rates = rates.New(rates.Options{Store: s.store, Log: s.log.With("part", "rates")})
	defer s.fleet.Listen(s.rates.Note)()
	s.house = &access.House{Fleet: s.fleet, Masters: s.library, People: s.people, Requests: s.requests, Sessions: s.sessions, Rates: s.rates, Post: s.post,
		Status: s.status, Setup: s.setup, Doctor: s.doctor, Running: s.running, Helping: s.helping, Healer: s.healer(), Log: s.log.With("part", "orders")}
	s.answering = s.agentServer()
	s.metrics = metrics.New((&figures{site: s}).get, s.log.With("part", "metrics"))
	s.answering.Watch = func(next http.Handler) http.Handler { return s.metrics.Watch("agents", next) }
	return s.run(ctx, stderr)
}

// open takes the data folder, reads what it holds and opens every socket of ours.
func (s *site) open(ctx context.Context) error {
	var err error
	if err = os.MkdirAll(s.o.data, 0o700); err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	if s.library, err = masters.Open(s.o.data, masters.Options{}); err != nil {
		return err
	}
	if err = s.openReplica(); err != nil {
		return err
	}
	if s.ca, err = agentapi.OpenCA(filepath.Join(s.o.data, "ca"), time.Now()); err != nil {
		return err
	}
	if s.store, err = sqlite.Open(ctx, filepath.Join(s.o.data, "ardoise.db")); err != nil {
		return err
	}
	if err = errors.Join(s.openFleet(ctx), s.openPeople(ctx)); err != nil {
		return err
	}
	links, err := pxe.Links(s.o.interfaces)
	if err != nil {
		return err
	}
	if err := s.readdress(ctx, links); err != nil {
		return err
	}
	if s.o.boot != noBoot {
		if err := s.openBoot(); err != nil {
			return err
		}
	}
	var lc net.ListenConfig
	if s.agents, err = lc.Listen(ctx, "tcp4", fmt.Sprintf(":%d", s.o.agentPort)); err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return &pxe.PortInUseError{Port: s.o.agentPort, Network: "tcp", For: "agents"}
		}
		return fmt.Errorf("listening for agents: %w", err)
	}
	s.o.agentPort = s.agents.Addr().(*net.TCPAddr).Port
	if err = s.openConsole(ctx); err != nil {
		return err
	}
	s.orders, err = api.Listen(s.o.data)
	return err
}

// readdress issues the server's certificate for the addresses and names that it has now.
func (s *site) readdress(ctx context.Context, links []pxe.Link) error {
	addresses := []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	for _, l := range links {
		for _, p := range l.Addresses {
			addresses = append(addresses, p.Addr())
		}
	}
	s.known.Store(&addresses)
	return s.certify(ownNames(ctx, &s.o.console))
}

// close gives everything back, in the opposite order.
func (s *site) close() error {
	var errs []error
	if s.orders != nil {
		errs = append(errs, ignoreClosed(s.orders.Close()))
	}
	if s.console != nil {
		errs = append(errs, ignoreClosed(s.console.Close()))
	}
	if s.agents != nil {
		errs = append(errs, ignoreClosed(s.agents.Close()))
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	if s.library != nil {
		errs = append(errs, s.library.Close())
	}
	return errors.Join(errs...)
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// component is a part of the daemon that runs until it is told to end.
type component struct {
	name string
	run  func(context.Context) error
}

// run runs all components; the first that ends stops the others.
func (s *site) run(ctx context.Context, stderr io.Writer) error {
	g, ctx := errgroup.WithContext(ctx)
	bootReady := make(chan struct{}, 1)
	components := []component{
		{"fleet", s.fleet.Run},
		{"clock", s.fleet.RunClock},
		{"post", s.post.Run},
		{"names", s.runNames},
		{"people", s.runPeople},
		{"sessions", s.sessions.Run},
		{"rates", s.rates.Run},
		{"agents", func(ctx context.Context) error { return s.answering.Serve(ctx, s.agents) }},
		{"orders", func(ctx context.Context) error { return s.apiServer().Serve(ctx, s.orders) }},
		{"upkeep", func(ctx context.Context) error {
			return s.library.RunUpkeep(ctx, masters.Upkeep{Log: s.log.With("part", "upkeep"), Retain: s.house.ApplyRules,
				Healer: s.healer()})
		}},
	}
	if s.console != nil {
		components = append(components, component{"console", s.runConsole})
	}
	if s.replica != nil {
		components = append(components, component{"healing", func(ctx context.Context) error {
			s.replica.run(ctx, s.library, s.log.With("part", "healing"))
			return nil
		}})
	}
	if s.o.boot == noBoot {
		bootReady <- struct{}{}
	} else {
		components = append(components, component{"boot", s.bootServer(ctx, bootReady).Run})
	}
	for _, c := range components {
		g.Go(func() error {
			if err := c.run(ctx); err != nil {
				return fmt.Errorf("running %s: %w", c.name, err)
			}
			if ctx.Err() == nil {
				return fmt.Errorf("running %s: it ended by itself", c.name)
			}
			return nil
		})
	}
	g.Go(func() error {
		select {
		case <-ctx.Done():
		case <-bootReady:
			if err := s.announceFirst(ctx, stderr); err != nil {
				return fmt.Errorf("making the first administrator's link: %w", err)
			}
			s.announce(stderr) // last: who reads this line has read all
		}
		return nil
	})
	err := g.Wait()
	if err == nil {
		s.log.Info("ended as asked")
	}
	return err
}

// announce says that the daemon is ready: to a person or a script, and to systemd.
func (s *site) announce(stderr io.Writer) {
	var at []string
	for _, a := range *s.known.Load() {
		if !a.IsLoopback() {
			at = append(at, netip.AddrPortFrom(a, uint16(s.o.agentPort)).String())
		}
	}
	_, _ = fmt.Fprintf(stderr, "ardoise: ready agents=%s port=%d ca=%s data=%s console=%s\n", strings.Join(at, ","), s.o.agentPort,
		s.ca.Fingerprint(), s.o.data, s.consoleAddress())
	if err := notifySystemd(os.Getenv("NOTIFY_SOCKET"), "READY=1"); err != nil {
		s.log.Warn("telling systemd", "error", err)
	}
}

// notifySystemd sends a state to the socket of sd_notify(3).
func notifySystemd(socket, state string) error {
	if socket == "" {
		return nil
	}
	if socket[0] == '@' {
		socket = "\x00" + socket[1:]
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	_, err = c.Write([]byte(state))
	return errors.Join(err, c.Close())
}

func (s *site) agentServer() *agentapi.Server {
	l := agentapi.Library{Library: s.library}
	a := &agentapi.Server{Fleet: s.fleet, Masters: l, Captures: l, Certificate: s.leaf.Load, SigningKeys: s.library.TrustedKeys,
		StageTwo: s.stage2, Spool: s.o.data, Healing: s.library, Sessions: s.sessions, Log: s.log.With("part", "agents")}
	if s.o.boot != noBoot {
		a.Local = newLocalBoots(s)
	}
	return a
}

func (s *site) apiServer() *api.Server {
	return &api.Server{House: s.house, Version: version(), Log: s.log.With("part", "orders")}
}

func (s *site) bootServer(ctx context.Context, ready chan<- struct{}) pxe.Server {
	return pxe.Server{
		Booter: booter{s.fleet, s}, Boot: s.o.boot, StateDir: filepath.Join(s.o.data, "boot", "grub"),
		Interfaces: s.o.interfaces, Arguments: s.arguments, HTTPPort: s.o.httpPort, Log: s.log.With("part", "boot"),
		Ready: func(links []pxe.Link) {
			if err := s.readdress(ctx, links); err != nil {
				s.log.Error("issuing a certificate", "error", err)
			}
			select {
			case ready <- struct{}{}:
			default:
			}
		},
	}
}

func (s *site) status() access.Status {
	st := access.Status{Version: version(), Started: s.started, PID: os.Getpid(), Data: s.o.data, CAFingerprint: s.ca.Fingerprint(),
		AgentPort: s.o.agentPort}
	for _, a := range *s.known.Load() {
		st.Addresses = append(st.Addresses, a.String())
	}
	return st
}
