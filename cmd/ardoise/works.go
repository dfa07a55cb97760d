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

func newSchedule() *cobra.Command {
	list := func(w io.Writer, all []access.Schedule) {
		rows := [][]string{{"ID", "SCHEDULE", "WHAT", "FOR", "DAYS", "WINDOW", "NEXT", "BY"}}
		for _, s := range all {
			o := s.Order
			next := "paused"
			if !s.Paused && s.Next != nil {
				next = s.Next.Local().Format("2006-01-02 15:04")
			}
			targets := strings.Join(append(append(append([]string{}, o.Computers...), o.Rooms...), o.Sites...), " ")
			rows = append(rows, []string{s.ID, s.Name, strings.TrimSpace(string(o.Kind) + " " + o.Master), dash(strings.TrimSpace(targets + " " + o.Filter)),
				strings.Join(s.Days, ","), s.At + "-" + s.Until, dash(next), s.By})
		}
		table(w, rows)
	}
	one := func(w io.Writer, s access.Schedule) { list(w, []access.Schedule{s}) }
	verb := func(use, short, verb string) *cobra.Command {
		return asking(&cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(1)},
			func(ctx context.Context, d *api.Client, args []string) (access.Schedule, error) {
				return d.ChangeSchedule(ctx, args[0], verb)
			}, one)
	}
	var s access.Schedule
	var kind, level, ending string
	set := asking(&cobra.Command{Use: "set NAME", Short: "order something again and again, in a window of some days", Args: cobra.ExactArgs(1)},
		func(ctx context.Context, d *api.Client, args []string) (access.Schedule, error) {
			s.Name, s.Order.Kind, s.Order.Level, s.Order.Ending = args[0], job.Kind(kind), job.Level(level), job.Ending(ending)
			if s.Order.Script != "" {
				script, err := scriptOf(ctx, d, s.Order.Script)
				if err != nil {
					return s, err
				}
				s.Order.Script = script.Hash
			}
			for i := range s.Order.Sites {
				s.Order.Sites[i] = siteName(s.Order.Sites[i])
			}
			return d.SetSchedule(ctx, s)
		}, one)
	f := set.Flags()
	f.StringVar(&s.ID, "id", "", "change this schedule, instead of making a new one")
	f.StringVar(&kind, "kind", string(job.KindDeploy), "deploy, reset, stage, inventory, verify, script or shutdown")
	f.StringVar(&s.Order.Master, "master", "", "NAME, NAME@VERSION or NAME@CHANNEL, looked up each time")
	f.StringSliceVar(&s.Order.Computers, "computer", nil, "for these computers")
	f.StringSliceVar(&s.Order.Rooms, "room", nil, "for the computers of these rooms")
	f.StringSliceVar(&s.Order.Sites, "site", nil, "for the computers of these sites; - is the one without a name")
	f.StringVar(&s.Order.Filter, "filter", "", "for the computers that this matches then")
	f.StringSliceVar(&s.Days, "days", []string{"mon", "tue", "wed", "thu", "fri"}, "on which its window begins")
	f.StringVar(&s.At, "at", "22:00", "when its window begins, HH:MM in the time of the server")
	f.StringVar(&s.Until, "until", "05:00", "when its window ends")
	f.StringVar(&level, "level", "", "of a reset: full or quick")
	f.StringVar(&ending, "end", "", "what the computers do afterwards: disk, poweroff or stay")
	f.IntVar(&s.Order.Retries, "retries", 0, "how often a task that failed is tried again")
	f.BoolVar(&s.Order.Wake, "wake", true, "wake the computers")
	f.StringVar(&s.Order.Script, "script", "", "the script, by name or hash")
	return noun("schedule", "order something again and again",
		asking(&cobra.Command{Use: "list", Short: "list schedules", Args: cobra.NoArgs},
			func(ctx context.Context, d *api.Client, _ []string) ([]access.Schedule, error) {
				return d.Schedules(ctx)
			}, list),
		set, verb("pause ID", "let a schedule's windows pass", "pause"), verb("resume ID", "use a schedule's windows again", "resume"),
		verb("forget ID", "forget a schedule; what it has ordered goes on", "forget"))
}
