package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/console/doctor"
	"github.com/ardoise/ardoise/console/post"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/pxe"
	"github.com/ardoise/ardoise/pxe/grub"
)

// recentForeign is how long another boot server that was heard counts as present.
const recentForeign = 24 * time.Hour

// doctor looks at what this daemon lives in, with the rights and the memory of the daemon.
func (s *site) doctor(ctx context.Context) []access.Check {
	out := append(examine(ctx, s.o, true), s.nameChecks(time.Now())...)
	said := map[string]bool{}
	for _, e := range s.fleet.Recent("") {
		if e.Kind == string(pxe.StageForeign) && time.Since(e.Time) < recentForeign && !said[e.Detail] {
			said[e.Detail] = true
			out = append(out, doctor.Bad("network boot", "find that server and switch it off, or keep these PCs out of its configuration",
				"heard %s: %s", ago(e.Time), e.Detail))
		}
	}
	for _, t := range post.Troubles(s.post.Standing().Failure) {
		if t.Code == post.Unread {
			out = append(out, doctor.Warn("reports", "set anew where they go: `ardoise post set`, or the console", "none are sent: %s", t.Says))
		}
	}
	return append(append(out, helpers(s.fleet)...), strays(s.fleet)...)
}

// helpers warns of those that should wake computers and have said nothing for a while.
func helpers(f *fleet.Fleet) []access.Check {
	const hint = "is that machine on, and does `systemctl status ardoise-helper` there say that it runs? If it is gone for good: `ardoise helper forget %s`"
	var out []access.Check
	there, all := 0, f.Helpers()
	for _, h := range all {
		switch access.StateOf(f, h) {
		case access.HelperConnected:
			there++
		case access.HelperSilent:
			if silent := f.Silent(h); silent < 2*time.Hour {
				out = append(out, doctor.Warn("helpers", fmt.Sprintf(hint, h.Name), "helper %s has said nothing for %d minutes", h.Name, int(silent.Minutes())))
			} else {
				out = append(out, doctor.Warn("helpers", fmt.Sprintf(hint, h.Name), "helper %s has said nothing for %d hours", h.Name, int(silent.Hours())))
			}
		}
	}
	if out == nil && len(all) > 0 {
		out = append(out, doctor.OK("helpers", "%d of %d are connected", there, len(all)))
	}
	return out
}

// maxStrays is how many computers in the wrong site are named.
const maxStrays = 20

// strays warns of computers that say hello from another site than their record's.
func strays(f *fleet.Fleet) []access.Check {
	var out []access.Check
	for _, x := range f.Strays() {
		home := f.SiteOf(x.Of)
		check := doctor.Warn("sites", "moved: `ardoise computer room "+x.Of.Name+" "+x.At+"/`, or a room of that site; else add its network to its site: `ardoise site set`",
			"%s of site %q was seen at %s, in site %q", x.Of.Name, home, x.Computer.Address, x.At)
		if x.Computer.ID != x.Of.ID {
			check = doctor.Warn("sites", "moved: `ardoise computer approve "+x.Computer.Code+" --moved`; a copied board: approve it without",
				"the computer with code %s in site %q looks like %s of site %q", x.Computer.Code, x.At, x.Of.Name, home)
		}
		if out = append(out, check); len(out) == maxStrays {
			break
		}
	}
	return out
}

// examine looks around, inside the daemon or without one.
func examine(ctx context.Context, o serveOptions, running bool) []access.Check {
	out := doctor.Data(o.data)
	out = append(out, doctor.Clock(time.Now()))
	ports := []doctor.Port{{Network: "tcp", Number: o.agentPort, For: "agents"}}
	if o.boot != noBoot {
		out = append(out, doctor.Boot(o.boot)...)
		out = append(out, doctor.Mkimage(grub.DefaultModules))
		ports = append(ports, doctor.Port{Network: "tcp", Number: o.httpPort, For: "GRUB"},
			doctor.Port{Network: "udp", Number: pxe.PortTFTP, For: "TFTP"},
			doctor.Port{Network: "udp", Number: pxe.PortBoot, For: "PXE"})
	}
	out = append(out, doctor.Ports(ports, running)...)
	return append(out, networks(ctx, o)...)
}

// networks asks on all links at once.
func networks(ctx context.Context, o serveOptions) []access.Check {
	links, err := pxe.Links(o.interfaces)
	if err != nil {
		return []access.Check{doctor.Bad("network", "`ip link` shows names; give one with --interface", "%v", err)}
	}
	if len(links) == 0 {
		return []access.Check{doctor.Bad("network", "plug in the cable, give the interface an address: `ip address`",
			"no wired interface is up with an IPv4 address")}
	}
	found := make([][]access.Check, len(links))
	var wait sync.WaitGroup
	for i, l := range links {
		wait.Go(func() {
			found[i] = append([]access.Check{doctor.OK("network", "%s has %s", l.Interface.Name, l.Addresses[0])}, neighbours(ctx, l)...)
		})
	}
	wait.Wait()
	var out []access.Check
	for _, f := range found {
		out = append(out, f...)
	}
	return out
}

func newDoctor() *cobra.Command {
	var k client
	o := serveOptions{}
	c := k.flags(&cobra.Command{
		Use: "doctor", Short: "look at folder, space, clock, boot files, ports and who answers DHCP; ends with 1 when something is bad",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.data = k.data
			o.interfaces = splitList(o.interfaces)
			checks, err := diagnose(c.Context(), k, o)
			if err != nil {
				return err
			}
			if err := k.show(c.OutOrStdout(), checks, func(w io.Writer) { showChecks(w, checks) }); err != nil {
				return err
			}
			bad := 0
			for _, x := range checks {
				if x.State == access.CheckBad {
					bad++
				}
			}
			if bad > 0 {
				return &watchedError{noticeError{"unwell", "", fmt.Sprintf("%d of %d checks are bad", bad, len(checks))}}
			}
			return nil
		},
	})
	c.Flags().StringSliceVar(&o.interfaces, "interface", nil, "network interfaces to ask on, without a daemon (default: all wired ones)")
	c.Flags().StringVar(&o.boot, "boot", defaultBoot(), "folder of the boot environment, without a daemon")
	c.Flags().IntVar(&o.httpPort, "http-port", pxe.DefaultHTTP, "TCP port to try, without a daemon")
	c.Flags().IntVar(&o.agentPort, "agent-port", 7443, "TCP port to try, without a daemon")
	return c
}

// diagnose asks the daemon, which has the rights to look everywhere; without one it looks itself.
func diagnose(ctx context.Context, k client, o serveOptions) ([]access.Check, error) {
	d, err := k.dial(ctx)
	var silent *api.NotRunningError
	if errors.As(err, &silent) {
		none := doctor.Warn("daemon", "`ardoise serve --data "+o.data+"` starts it", "none runs in %s", o.data)
		return append([]access.Check{none}, examine(ctx, o, false)...), nil
	}
	if err != nil {
		return nil, err
	}
	st, err := d.Status(ctx)
	if err != nil {
		return nil, err
	}
	checks, err := d.Doctor(ctx)
	return append([]access.Check{doctor.OK("daemon", "runs as process %d since %s", st.PID, ago(st.Started))}, checks...), err
}

// showChecks prints a line for each check, and its hint below where it has one.
func showChecks(w io.Writer, checks []access.Check) {
	for _, x := range checks {
		_, _ = fmt.Fprintf(w, "%-4s  %s: %s\n", x.State, fleet.Clean(x.Name, 60), fleet.Clean(x.Detail, 400))
		if x.Hint != "" && x.State != access.CheckOK {
			_, _ = fmt.Fprintf(w, "      hint: %s\n", x.Hint)
		}
	}
}
