package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/console/relay"
	agent "github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/pxe"
	"github.com/ardoise/ardoise/pxe/wol"
)

func newHelper() *cobra.Command {
	return noun("helper", "wake computers in networks that the server's own packets do not get to", helperAdd(),
		asking(&cobra.Command{Use: "list", Short: "list helpers: whether they are there, where they wake, and how many computers", Args: cobra.NoArgs},
			func(ctx context.Context, d *api.Client, _ []string) ([]access.Helper, error) { return d.Helpers(ctx) }, listHelpers),
		asking(&cobra.Command{Use: "forget NAME", Short: "forget a helper: its key is worth nothing any more", Args: cobra.ExactArgs(1)},
			func(ctx context.Context, d *api.Client, args []string) (access.Helper, error) {
				return d.ForgetHelper(ctx, args[0])
			}, func(w io.Writer, h access.Helper) { done(w, h.Name, "forgotten") }), helperRun())
}

func listHelpers(w io.Writer, all []access.Helper) {
	rows := [][]string{{"HELPER", "SITE", "STATE", "SEEN", "ADDRESS", "NETWORKS", "COMPUTERS"}}
	for _, h := range all {
		seen := "not since the daemon was started"
		if h.Seen != nil {
			seen = ago(*h.Seen)
		}
		rows = append(rows, []string{h.Name, dash(h.Site), h.State, seen, dash(h.Address), dash(strings.Join(h.Networks, " ")), fmt.Sprint(h.Computers)})
	}
	table(w, rows)
}

func helperAdd() *cobra.Command {
	var k client
	var site, out string
	c := &cobra.Command{Use: "add NAME", Args: cobra.ExactArgs(1),
		Short: "add a helper, and print, once, the key file for its machine: ardoise helper run --key FILE"}
	c.RunE = func(c *cobra.Command, args []string) error {
		d, err := k.dial(c.Context())
		if err != nil {
			return err
		}
		w := c.OutOrStdout()
		if out != "" { // before anything is kept: a key that cannot be written down is lost
			f, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if errors.Is(err, fs.ErrExist) {
				return &noticeError{code: "file-exists", what: out}
			}
			if err != nil {
				return fmt.Errorf("making the key file: %w", err)
			}
			w = f
			defer func() { _ = f.Close() }()
		}
		key, err := d.AddHelper(c.Context(), access.HelperRequest{Name: args[0], Site: siteName(site)})
		if err != nil {
			if out != "" {
				_ = os.Remove(out)
			}
			return err
		}
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		if err := e.Encode(key); err != nil || out == "" {
			return err
		}
		done(c.OutOrStdout(), key.Name, "its key is in "+out+": move it to the helper's machine, then there: ardoise helper run --key "+out)
		return nil
	}
	dataFlag(c, &k.data)
	c.Flags().StringVar(&site, "site", "", "site whose computers it wakes (default: the one without a name)")
	c.Flags().StringVar(&out, "out", "", "write the key into this new file, which only you may read")
	return c
}

func helperRun() *cobra.Command {
	var path string
	var interfaces []string
	var verbose bool
	c := &cobra.Command{Use: "run --key FILE", Args: cobra.NoArgs,
		Short: "be a helper, on a machine in the computers' network: wake those that the server names",
		RunE: func(c *cobra.Command, _ []string) error {
			if path == "" {
				return usagef("say where the key is that `ardoise helper add` made: --key FILE")
			}
			level := slog.LevelInfo
			if verbose {
				level = slog.LevelDebug
			}
			log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
			return help(c.Context(), path, splitList(interfaces), log)
		}}
	c.Flags().StringVar(&path, "key", "", "key file")
	c.Flags().StringSliceVar(&interfaces, "interface", nil, "network interfaces to wake through (default: all wired ones)")
	c.Flags().BoolVar(&verbose, "verbose", false, "log what is only of interest when something does not work")
	return c
}

// help is a helper until ctx ends.
func help(ctx context.Context, path string, interfaces []string, log *slog.Logger) error {
	key, fingerprint, err := helperKey(path, log)
	if err != nil {
		return err
	}
	w := &waker{interfaces: interfaces, log: log}
	if _, err := w.networks(); err != nil { // an interface that is not there is a slip of the pen
		return err
	}
	r := relay.Relay{Version: version(), Networks: w.networks, Wake: w.wake, Log: log}
	for _, s := range key.Servers {
		c, err := agent.New(agent.Options{Server: s, Fingerprint: fingerprint})
		if err != nil {
			return err
		}
		defer c.Close()
		r.Servers = append(r.Servers, relay.Server{Address: s, Ask: func(ctx context.Context, p job.HelperPoll) (job.HelperWork, error) {
			return c.HelperWork(ctx, key.Secret, p)
		}})
	}
	log.Info("asking for computers to wake, as the helper "+key.Name, "address", strings.Join(key.Servers, ","))
	if err := notifySystemd(os.Getenv("NOTIFY_SOCKET"), "READY=1"); err != nil {
		log.Warn("telling systemd", "error", err)
	}
	r.Run(ctx)
	log.Info("ended as asked")
	return nil
}

// helperKey reads a helper's key file.
func helperKey(path string, log *slog.Logger) (k job.HelperKey, fingerprint [32]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return k, fingerprint, &noticeError{"no-helper-key", path, err.Error()}
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, relay.MaxKey))
	if err != nil {
		return k, fingerprint, &noticeError{"no-helper-key", path, err.Error()}
	}
	if k, fingerprint, err = relay.ParseKey(raw); err != nil {
		return k, fingerprint, &noticeError{"bad-helper-key", path, err.Error()}
	}
	if info, err := f.Stat(); err == nil && info.Mode().Perm()&0o007 != 0 {
		log.Warn("everybody here may read this helper's key: chmod o=", "path", path)
	}
	return k, fingerprint, nil
}

// waker sends the packets of a helper.
type waker struct {
	interfaces []string // names; none: all wired ones
	log        *slog.Logger
	udp        atomic.Bool // frames are not allowed here, and that was said
}

// networks are those of the interfaces that packets are sent through now.
func (w *waker) networks() ([]netip.Prefix, error) { return networksOf(w.interfaces) }

// networksOf lists the IPv4 networks of interfaces, each once.
func networksOf(interfaces []string) ([]netip.Prefix, error) {
	links, err := pxe.Links(interfaces)
	var out []netip.Prefix
	for _, l := range links {
		for _, p := range l.Addresses {
			if p = p.Masked(); !p.Addr().IsLinkLocalUnicast() && !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out, err
}

// wake wakes one computer, by frame and by UDP; by UDP alone where frames need a right that we do not have.
func (w *waker) wake(ctx context.Context, mac net.HardwareAddr) error {
	links, err := pxe.Links(w.interfaces)
	if err != nil {
		return err
	}
	var through []net.Interface
	for _, l := range links {
		through = append(through, l.Interface)
	}
	if !w.udp.Load() {
		if err = wol.Send(ctx, mac, nil, through); !errors.Is(err, fs.ErrPermission) {
			return err
		}
		if !w.udp.Swap(true) {
			w.log.Warn("without CAP_NET_RAW computers are woken by UDP alone, which does not reach every network card", "error", err)
		}
	}
	return wol.SendUDP(ctx, mac, nil, through)
}

// networks are those of the interfaces that this server wakes through by itself.
func (s *site) networks() []netip.Prefix {
	out, err := networksOf(s.o.interfaces)
	if err != nil {
		s.log.Warn("looking at network interfaces", "error", err)
	}
	return out
}

// maxAddresses is how many addresses of ours a helper is told.
const maxAddresses = 32

// helping is what a helper is told of this server: its addresses, then the names by which people reach it, since addresses
// change.
func (s *site) helping() (servers []string, ca string) {
	port := fmt.Sprint(s.o.agentPort)
	add := func(host string) {
		if at := net.JoinHostPort(host, port); host != "" && len(servers) < maxAddresses && !slices.Contains(servers, at) {
			servers = append(servers, at)
		}
	}
	for _, a := range *s.known.Load() {
		if !a.IsLoopback() {
			add(a.String())
		}
	}
	if u, err := url.Parse(s.o.console.url); err == nil {
		add(u.Hostname())
	}
	for _, name := range s.o.console.names {
		add(name)
	}
	if len(servers) == 0 {
		add("127.0.0.1")
	}
	return servers, s.ca.Fingerprint()
}
