package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/imaging/job"
)

// work is a command that orders one kind of job.
func work(use, short string, args cobra.PositionalArgs, kind job.Kind, more func(o *access.Order, args []string)) (*cobra.Command, *orderFlags) {
	o := &orderFlags{}
	c := &cobra.Command{Use: use, Short: short, Args: args, RunE: func(c *cobra.Command, args []string) error {
		order, err := o.order(kind, "")
		if err != nil {
			return err
		}
		more(&order, args)
		return o.give(c, order)
	}}
	o.add(c)
	switch kind {
	case job.KindShutdown:
	case job.KindInventory:
		o.end(c, job.EndDisk)
	case job.KindWipe: // there is no system left to start
		o.disk(c)
		o.end(c, job.EndPowerOff)
	default:
		o.disk(c)
		o.end(c, job.EndDisk)
	}
	o.several(c)
	return c, o
}

func newVerify() *cobra.Command {
	c, _ := work("verify [NAME[@VERSION|@CHANNEL]] --room ROOM | --computer COMPUTER[,COMPUTER...]",
		"read the disks of computers and compare them with a version, else with what each holds; nothing is written", cobra.MaximumNArgs(1),
		job.KindVerify, func(o *access.Order, args []string) {
			if len(args) == 1 {
				o.Master = args[0]
			}
		})
	return c
}

func newWipe() *cobra.Command {
	var method string
	c, o := work("wipe --room ROOM | --computer COMPUTER[,COMPUTER...]",
		"destroy everything on the disks of computers, and prove it; `ardoise job show` has the certificate", cobra.NoArgs, job.KindWipe,
		func(o *access.Order, _ []string) { o.Wipe = method })
	c.Flags().StringVar(&method, "method", job.WipeAuto, "auto, sanitize, secure-erase or overwrite")
	c.Flags().IntVar(&o.countdown, "countdown", 10, "seconds that each computer shows before anything is destroyed")
	return c
}

func newInventory() *cobra.Command {
	c, _ := work("inventory --room ROOM | --computer COMPUTER[,COMPUTER...]", "look at the hardware of computers again", cobra.NoArgs,
		job.KindInventory, func(*access.Order, []string) {})
	return c
}

func newShutdown() *cobra.Command {
	c, _ := work("shutdown --room ROOM | --computer COMPUTER[,COMPUTER...]", "switch computers off that are in the boot environment",
		cobra.NoArgs, job.KindShutdown, func(*access.Order, []string) {})
	return c
}

func newWake() *cobra.Command {
	var room, query string
	var computers []string
	c := asking(&cobra.Command{Use: "wake --room ROOM | --filter QUERY | --computer COMPUTER[,COMPUTER...]", Short: "send Wake-on-LAN to computers", Args: cobra.NoArgs},
		func(ctx context.Context, d *api.Client, _ []string) ([]access.Computer, error) {
			names := splitList(computers)
			if room != "" {
				r, err := d.Room(ctx, room)
				if err != nil {
					return nil, err
				}
				names = append(names, r.Computers...)
			}
			if query != "" {
				found, err := d.Select(ctx, query)
				if err != nil {
					return nil, err
				}
				for _, x := range found {
					names = append(names, x.Name)
				}
			}
			if len(names) == 0 {
				return nil, usagef("name at least one computer with --computer, a room with --room, or some with --filter")
			}
			out := []access.Computer{}
			var errs []error
			for _, name := range names {
				x, err := d.Change(ctx, name, "wake", access.Change{})
				if err == nil {
					out = append(out, x)
				}
				errs = append(errs, err)
			}
			return out, errors.Join(errs...)
		}, func(w io.Writer, all []access.Computer) {
			for _, x := range all {
				done(w, x.Name, wokenText(x))
			}
		})
	c.Flags().StringVar(&room, "room", "", "all computers of a room")
	c.Flags().StringVar(&query, "filter", "", "all computers that this matches")
	c.Flags().StringSliceVar(&computers, "computer", nil, "computers, by name, id or MAC address")
	return c
}

func newScript() *cobra.Command {
	list := func(w io.Writer, all []access.Script) {
		rows := [][]string{{"SCRIPT", "HASH", "SECONDS", "DISK", "BY", "APPROVED BY"}}
		for _, s := range all {
			rows = append(rows, []string{s.Name, fmt.Sprintf("%.16s", s.Hash), fmt.Sprint(s.Limit), marked(s.Writes, "writes"), s.By, dash(s.ApprovedBy)})
		}
		table(w, rows)
	}
	one := func(w io.Writer, s access.Script) { list(w, []access.Script{s}) }
	var limit time.Duration
	var writes bool
	add := asking(&cobra.Command{Use: "add NAME FILE", Short: "keep a script, to be approved by another administrator", Args: cobra.ExactArgs(2)},
		func(ctx context.Context, d *api.Client, args []string) (access.Script, error) {
			text, err := os.ReadFile(args[1])
			if err != nil {
				return access.Script{}, fmt.Errorf("reading the script: %w", err)
			}
			return d.AddScript(ctx, access.Script{Name: args[0], Text: string(text), Limit: int(limit / time.Second), Writes: writes})
		}, one)
	add.Flags().DurationVar(&limit, "limit", 10*time.Minute, "how long it may run")
	add.Flags().BoolVar(&writes, "writes", false, "it may change the disk: what a computer holds is not proven afterwards")
	run, o := work("run SCRIPT --room ROOM | --computer COMPUTER[,COMPUTER...]", "run an approved script on computers, in the boot environment",
		cobra.ExactArgs(1), job.KindScript, func(o *access.Order, args []string) { o.Script = args[0] })
	given := run.RunE
	run.RunE = func(c *cobra.Command, args []string) error {
		d, err := o.dial(c.Context())
		if err != nil {
			return err
		}
		s, err := scriptOf(c.Context(), d, args[0])
		if err != nil {
			return err
		}
		return given(c, []string{s.Hash})
	}
	verb := func(use, short string, do func(ctx context.Context, d *api.Client, hash string) (access.Script, error)) *cobra.Command {
		return asking(&cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(1)},
			func(ctx context.Context, d *api.Client, args []string) (access.Script, error) {
				s, err := scriptOf(ctx, d, args[0])
				if err != nil {
					return s, err
				}
				return do(ctx, d, s.Hash)
			}, one)
	}
	show := verb("show SCRIPT", "print a script", func(ctx context.Context, d *api.Client, hash string) (access.Script, error) {
		return scriptOf(ctx, d, hash)
	})
	return noun("script", "keep texts that computers may run in the boot environment",
		asking(&cobra.Command{Use: "list", Short: "list scripts", Args: cobra.NoArgs},
			func(ctx context.Context, d *api.Client, _ []string) ([]access.Script, error) { return d.Scripts(ctx) }, list),
		show, add,
		verb("approve SCRIPT", "let computers run a script", func(ctx context.Context, d *api.Client, hash string) (access.Script, error) {
			return d.ApproveScript(ctx, hash)
		}),
		run,
		verb("forget SCRIPT", "forget a script", func(ctx context.Context, d *api.Client, hash string) (access.Script, error) {
			return d.ForgetScript(ctx, hash)
		}))
}

// scriptOf finds a script by its name or the beginning of its hash.
func scriptOf(ctx context.Context, d *api.Client, ref string) (access.Script, error) {
	all, err := d.Scripts(ctx)
	if err != nil {
		return access.Script{}, err
	}
	var found []access.Script
	for _, s := range all {
		if strings.EqualFold(s.Name, ref) || len(ref) >= 6 && strings.HasPrefix(s.Hash, strings.ToLower(ref)) {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		return access.Script{}, &noticeError{code: "no-script", what: ref, detail: marked(len(found) > 1, "several are called so: give the hash")}
	}
	return found[0], nil
}
