package pxe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ardoise/ardoise/pxe/grub"
	"github.com/ardoise/ardoise/pxe/httpboot"
	"github.com/ardoise/ardoise/pxe/tftp"
)

// Ports that firmware knows us by. 67 is heard through a raw socket and never bound.
const (
	PortTFTP    = 69
	PortBoot    = 4011 // PXE 2.1 section 2.2.5: boot server discovery
	DefaultHTTP = 80
)

// How GRUB fetches kernel and stage one, unless Fetch says otherwise; the other way is the fallback. On BIOS TFTP is
// faster by 6 s where nothing is lost, and slower by 26 s where 0.5 % is: DESIGN.md has the figures.
const (
	DefaultBIOS = grub.HTTP
	DefaultUEFI = grub.HTTP
)

// Server takes PCs from power-on to the agent. Booter and Boot are required, the rest has a use when zero.
type Server struct {
	Booter     Booter
	Boot       string                           // folder of the boot files: shimx64.efi grubx64.efi vmlinuz stage1.img
	StateDir   string                           // where GRUB images for BIOS are kept; "": made anew at each start
	Interfaces []string                         // names; none: every wired interface that is up and has IPv4
	Arguments  func(server netip.Addr) []string // of the kernel, for PCs that reach us at this address; nil: none
	HTTPPort   int                              // 0: DefaultHTTP
	Fetch      grub.Transport                   // what GRUB tries first; "": DefaultBIOS, DefaultUEFI
	MaxBlock   int                              // largest TFTP block in bytes, for tunnels; 0: what the client asks
	Mkimage    string                           // "": grub-mkimage from PATH
	Modules    string                           // folder of GRUB's i386-pc modules; "": Debian's
	Rescan     time.Duration                    // how often interfaces are looked at; 0: 2 s
	Log        *slog.Logger                     // nil: none
	Now        func() time.Time                 // nil: time.Now
	Ready      func([]Link)                     // told when PCs can start, and at each change of the links; nil: nobody
}

// PortInUseError says that another program has a port we need.
type PortInUseError struct {
	Port    int
	Network string // "udp" or "tcp"
	For     string // "TFTP"
}

// Error implements error.
func (e *PortInUseError) Error() string {
	return fmt.Sprintf("%s port %d (%s) is used by another program", e.Network, e.Port, e.For)
}

// service is a running Server.
type service struct {
	Server
	memory *memory
	files  *files
	cores  *cores
	names  *net.Resolver

	background sync.WaitGroup // reports under way

	mu    sync.Mutex
	links []Link
}

// Run serves until the context ends, and then returns nil. It returns *PortInUseError, *NoInterfaceError,
// *MissingFileError, or what made a socket fail.
func (s Server) Run(ctx context.Context) error {
	v, err := s.start()
	if err != nil {
		return err
	}
	sockets, err := open(ctx, v.HTTPPort)
	if err != nil {
		return err
	}
	defer v.background.Wait()
	defer sockets.close()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return v.watchLinks(ctx) })
	g.Go(func() error { return v.serveBoot(ctx, sockets.boot) })
	g.Go(func() error {
		t := tftp.Server{Source: tftpSource{v}, Allowed: v.allowed, MaxBlock: v.MaxBlock, Log: v.Log, Done: func(t tftp.Transfer) {
			v.fetched(t.Remote, t.Name, t.Size, t.Seconds)
		}}
		return t.Serve(ctx, sockets.tftp)
	})
	g.Go(func() error {
		h := httpboot.Server{Source: httpSource{v}, Allowed: v.allowed, Log: v.Log, Done: func(t httpboot.Transfer) {
			v.fetched(t.Remote, t.Name, t.Size, t.Seconds)
		}}
		return h.Serve(ctx, sockets.http)
	})
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// start checks the configuration and fills in what was left out.
func (s Server) start() (*service, error) {
	if s.Booter == nil {
		return nil, errors.New("starting network boot: no booter to ask")
	}
	if s.HTTPPort == 0 {
		s.HTTPPort = DefaultHTTP
	}
	if s.Rescan <= 0 {
		s.Rescan = 2 * time.Second
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Arguments == nil {
		s.Arguments = func(netip.Addr) []string { return nil }
	}
	if _, err := Links(s.Interfaces); err != nil {
		return nil, err
	}
	f, err := openFiles(s.Boot)
	if err != nil {
		return nil, err
	}
	v := &service{Server: s, memory: newMemory(s.Now), files: f, names: net.DefaultResolver}
	v.cores = newCores(grub.Maker{Mkimage: s.Mkimage, Modules: s.Modules, Cache: s.StateDir})
	return v, nil
}

// sockets are the ports that are bound.
type sockets struct {
	tftp, boot *net.UDPConn
	http       net.Listener
}

func open(ctx context.Context, httpPort int) (*sockets, error) {
	s := &sockets{}
	var err error
	if s.tftp, err = listenUDP(PortTFTP, "TFTP"); err != nil {
		return nil, err
	}
	if s.boot, err = listenUDP(PortBoot, "PXE boot server"); err != nil {
		s.close()
		return nil, err
	}
	var lc net.ListenConfig
	if s.http, err = lc.Listen(ctx, "tcp4", fmt.Sprintf(":%d", httpPort)); err != nil {
		s.close()
		return nil, inUse(err, httpPort, "tcp", "HTTP boot")
	}
	return s, nil
}

func listenUDP(port int, what string) (*net.UDPConn, error) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{Port: port})
	if err != nil {
		return nil, inUse(err, port, "udp", what)
	}
	return c, nil
}

func inUse(err error, port int, network, what string) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return &PortInUseError{Port: port, Network: network, For: what}
	}
	return fmt.Errorf("listening on %s port %d (%s): %w", network, port, what, err)
}

// close ends every socket; those that their servers have closed already do not mind.
func (s *sockets) close() {
	if s.tftp != nil {
		s.tftp.Close()
	}
	if s.boot != nil {
		s.boot.Close()
	}
	if s.http != nil {
		s.http.Close()
	}
}

// watchLinks keeps one listener on every link, follows what comes, goes and is renumbered, and has the BIOS image of
// every address ready.
func (v *service) watchLinks(ctx context.Context) error {
	open := map[int]*listener{}
	var wait sync.WaitGroup
	defer wait.Wait()
	defer func() {
		for _, l := range open {
			l.socket.Close()
		}
	}()
	tick := time.NewTicker(v.Rescan)
	defer tick.Stop()
	for first := true; ; first = false {
		links, err := Links(v.Interfaces)
		var gone *NoInterfaceError
		if err != nil && !errors.As(err, &gone) {
			return err
		}
		if v.follow(ctx, open, links, &wait) || first {
			v.announce(ctx, links, &wait)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// follow opens and closes listeners as the links ask; it reports whether anything changed.
func (v *service) follow(ctx context.Context, open map[int]*listener, links []Link, wait *sync.WaitGroup) bool {
	changed := false
	for index, l := range open {
		i := slices.IndexFunc(links, func(n Link) bool { return n.Interface.Index == index })
		if i < 0 || l.ended.Load() || l.link.Load().Interface.HardwareAddr.String() != links[i].Interface.HardwareAddr.String() {
			l.socket.Close()
			delete(open, index)
			changed = true
		}
	}
	for _, link := range links {
		if l := open[link.Interface.Index]; l != nil {
			changed = changed || !slices.Equal(l.link.Load().Addresses, link.Addresses)
			l.link.Store(&link)
			continue
		}
		l, err := v.listen(ctx, link, wait)
		if err != nil {
			v.Log.Error("cannot hear PCs on this interface", "interface", link.Interface.Name, "error", err)
			continue
		}
		open[link.Interface.Index] = l
		changed = true
	}
	return changed
}

// announce makes the new links known.
func (v *service) announce(ctx context.Context, links []Link, wait *sync.WaitGroup) {
	v.mu.Lock()
	v.links = links
	v.mu.Unlock()
	if len(links) == 0 {
		v.Log.Warn("no wired network interface is up with an IPv4 address: no PC can start")
	}
	for _, l := range links {
		v.Log.Info("PCs can start", "interface", l.Interface.Name, "address", l.Address())
		wait.Go(func() { v.prepare(ctx, l.Address()) })
	}
	if v.Ready != nil {
		v.Ready(links)
	}
}

// prepare makes the BIOS image of an address before a PC asks for it.
func (v *service) prepare(ctx context.Context, a netip.Addr) {
	if _, err := v.cores.get(ctx, a); err != nil && ctx.Err() == nil {
		v.Log.Error("no GRUB for PCs with BIOS firmware; PCs with UEFI are served", "address", a, "error", err)
	}
}

// current returns the links as last seen.
func (v *service) current() []Link {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.links
}

// ours tells whether an address is one of this server's.
func (v *service) ours(a netip.Addr) bool {
	for _, l := range v.current() {
		if slices.ContainsFunc(l.Addresses, func(p netip.Prefix) bool { return p.Addr() == a }) {
			return true
		}
	}
	return false
}

// allowed tells whether files are for this client: on a network of ours, or at least at a private address.
func (v *service) allowed(a netip.Addr) bool {
	if tftp.Private(a) {
		return true
	}
	for _, l := range v.current() {
		if slices.ContainsFunc(l.Addresses, func(p netip.Prefix) bool { return p.Contains(a) }) {
			return true
		}
	}
	return false
}

// saw tells the Booter of an event.
func (v *service) saw(e Event) {
	e.Time = v.Now()
	v.Log.Debug("seen", "mac", e.MAC.String(), "stage", e.Stage, "detail", e.Detail)
	v.Booter.Saw(e)
}
