package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

func listSchedules(w io.Writer, all []access.Schedule) {
	rows := [][]string{{"ID", "SCHEDULE", "WHAT", "FOR", "DAYS", "WINDOW", "NEXT", "BY"}}
	for _, s := range all {
		next := "paused"
		if !s.Paused && s.Next != nil {
			next = s.Next.Local().Format("2006-01-02 15:04")
		}
		rows = append(rows, []string{s.ID, s.Name, strings.TrimSpace(string(s.Order.Kind) + " " + s.Order.Master), dash(scheduledFor(s.Order)),
			strings.Join(s.Days, ","), s.At + "-" + s.Until, dash(next), s.By})
	}
	table(w, rows)
}

// scheduledFor says for whom a schedule is.
func scheduledFor(o access.ScheduledOrder) string {
	names := append(append([]string{}, o.Computers...), o.Rooms...)
	for _, site := range o.Sites {
		names = append(names, dash(site))
	}
	return strings.TrimSpace(strings.Join(names, " ") + " " + o.Filter)
}

func newSchedule() *cobra.Command {
	one := func(w io.Writer, s access.Schedule) { listSchedules(w, []access.Schedule{s}) }
	verb := func(use, short, verb string) *cobra.Command {
		return asking(&cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(1)},
			func(ctx context.Context, d *api.Client, args []string) (access.Schedule, error) {
				return d.ChangeSchedule(ctx, args[0], verb)
			}, one)
	}
	return noun("schedule", "order something again and again",
		asking(&cobra.Command{Use: "list", Short: "list schedules", Args: cobra.NoArgs},
			func(ctx context.Context, d *api.Client, _ []string) ([]access.Schedule, error) {
				return d.Schedules(ctx)
			}, listSchedules),
		scheduleSet(), verb("pause ID", "let a schedule's windows pass", "pause"), scheduleResume(),
		verb("forget ID", "forget a schedule; what it has ordered goes on", "forget"))
}

// scheduleFlags are what can be said of a schedule.
type scheduleFlags struct {
	client
	said                access.Schedule
	kind, level, ending string
	disk                orderFlags // its disk
	yes                 bool
}

func scheduleSet() *cobra.Command {
	o := &scheduleFlags{}
	c := o.flags(&cobra.Command{
		Use: "set NAME | --id ID [NAME]", Short: "order something again and again, in a window of some days; with --id only what is given changes",
		Args: cobra.MaximumNArgs(1), RunE: o.run,
	})
	s, f := &o.said, c.Flags()
	f.StringVar(&s.ID, "id", "", "change this schedule, instead of making a new one")
	f.StringVar(&o.kind, "kind", string(job.KindDeploy), "deploy, reset, stage, inventory, verify, script or shutdown")
	f.StringVar(&s.Order.Master, "master", "", "NAME, NAME@VERSION or NAME@CHANNEL, looked up each time")
	f.StringSliceVar(&s.Order.Computers, "computer", nil, "for these computers")
	f.StringSliceVar(&s.Order.Rooms, "room", nil, "for the computers of these rooms")
	f.StringSliceVar(&s.Order.Sites, "site", nil, "for the computers of these sites; - is the one without a name")
	f.StringVar(&s.Order.Filter, "filter", "", "for the computers that this matches then")
	f.StringSliceVar(&s.Days, "days", []string{"mon", "tue", "wed", "thu", "fri"}, "on which its window begins")
	f.StringVar(&s.At, "at", "22:00", "when its window begins, HH:MM in the time of the server")
	f.StringVar(&s.Until, "until", "05:00", "when its window ends")
	f.StringVar(&o.level, "level", "", "of a reset: full or quick")
	f.StringVar(&o.ending, "end", "", "what the computers do afterwards: disk, poweroff or stay")
	f.IntVar(&s.Order.Retries, "retries", 0, "how often a task that failed is tried again")
	f.BoolVar(&s.Order.Wake, "wake", true, "wake the computers")
	f.StringVar(&s.Order.Script, "script", "", "the script, by name or hash")
	f.IntVar(&s.Order.Countdown, "countdown", 10, "seconds that each computer shows before anything is destroyed")
	o.disk.disk(c)
	f.BoolVar(&o.yes, "yes", false, "do not ask")
	return c
}

func (o *scheduleFlags) run(c *cobra.Command, args []string) error {
	if o.said.ID == "" && len(args) == 0 {
		return usagef("NAME is missing")
	}
	ctx := c.Context()
	d, err := o.dial(ctx)
	if err != nil {
		return err
	}
	var s access.Schedule
	if o.said.ID != "" {
		if s, err = d.Schedule(ctx, o.said.ID); err != nil {
			return err
		}
	}
	o.merge(c.Flags(), &s)
	if len(args) > 0 {
		s.Name = args[0]
	}
	if err := o.agreed(c, d, &s); err != nil {
		return err
	}
	if s, err = d.SetSchedule(ctx, s); err != nil {
		return err
	}
	return o.show(c.OutOrStdout(), s, func(w io.Writer) { listSchedules(w, []access.Schedule{s}) })
}

// agreed asks before a schedule that erases is kept or used again, unless it is not to, and finds its script.
func (o *scheduleFlags) agreed(c *cobra.Command, d *api.Client, s *access.Schedule) error {
	writes := false
	if s.Order.Script != "" {
		script, err := scriptOf(c.Context(), d, s.Order.Script)
		if err != nil {
			return err
		}
		s.Order.Script, writes = script.Hash, script.Writes
	}
	if o.yes || !fleet.Destroys(s.Order.Kind) && (s.Order.Kind != job.KindScript || !writes) {
		return nil
	}
	return o.ask(c, d, *s)
}

func scheduleResume() *cobra.Command {
	o := &scheduleFlags{}
	c := o.flags(&cobra.Command{Use: "resume ID", Short: "use a schedule's windows again", Args: cobra.ExactArgs(1), RunE: o.resume})
	c.Flags().BoolVar(&o.yes, "yes", false, "do not ask")
	return c
}

// resume uses a schedule's windows again: what erases asks as it did before it was kept.
func (o *scheduleFlags) resume(c *cobra.Command, args []string) error {
	ctx := c.Context()
	d, err := o.dial(ctx)
	if err != nil {
		return err
	}
	s, err := d.Schedule(ctx, args[0])
	if err != nil {
		return err
	}
	if err := o.agreed(c, d, &s); err != nil {
		return err
	}
	if s, err = d.ChangeSchedule(ctx, args[0], "resume"); err != nil {
		return err
	}
	return o.show(c.OutOrStdout(), s, func(w io.Writer) { listSchedules(w, []access.Schedule{s}) })
}

// merge changes of a schedule what was given; all that can be said of a new one.
func (o *scheduleFlags) merge(f *pflag.FlagSet, s *access.Schedule) {
	said := &o.said
	for flag, take := range map[string]func(){
		"kind":      func() { s.Order.Kind = job.Kind(o.kind) },
		"master":    func() { s.Order.Master = said.Order.Master },
		"computer":  func() { s.Order.Computers = splitList(said.Order.Computers) },
		"room":      func() { s.Order.Rooms = splitList(said.Order.Rooms) },
		"filter":    func() { s.Order.Filter = said.Order.Filter },
		"days":      func() { s.Days = splitList(said.Days) },
		"at":        func() { s.At = said.At },
		"until":     func() { s.Until = said.Until },
		"level":     func() { s.Order.Level = job.Level(o.level) },
		"end":       func() { s.Order.Ending = job.Ending(o.ending) },
		"retries":   func() { s.Order.Retries = said.Order.Retries },
		"wake":      func() { s.Order.Wake = said.Order.Wake },
		"script":    func() { s.Order.Script = said.Order.Script },
		"countdown": func() { s.Order.Countdown = said.Order.Countdown },
		"site": func() {
			s.Order.Sites = nil
			for _, site := range splitList(said.Order.Sites) {
				s.Order.Sites = append(s.Order.Sites, siteName(site))
			}
		},
		"min-size": func() { s.Order.Disk.MinSize = o.disk.rule.MinSize },
		"max-size": func() { s.Order.Disk.MaxSize = o.disk.rule.MaxSize },
		"bus":      func() { s.Order.Disk.Bus = o.disk.rule.Bus },
		"model":    func() { s.Order.Disk.Model = o.disk.rule.Model },
		"serial":   func() { s.Order.Disk.Serial = o.disk.rule.Serial },
	} {
		if s.ID == "" || f.Changed(flag) {
			take()
		}
	}
}

// ask shows what a schedule would do if its window began now, and asks by the words that name what is lost: it will not ask
// again. For whom it will be nobody knows: computers come and go, and who cannot take it now may then.
func (o *scheduleFlags) ask(c *cobra.Command, d *api.Client, s access.Schedule) error {
	x := s.Order
	plan, err := d.Plan(c.Context(), access.Order{Kind: x.Kind, Computers: x.Computers, Rooms: x.Rooms, Sites: x.Sites, Filter: x.Filter,
		Master: x.Master, Disk: x.Disk, Level: x.Level, Ending: x.Ending, Script: x.Script, Skip: true})
	var names []string
	if err == nil { // else there is nobody yet, or what is wrong is said where it is kept
		for _, t := range plan.Targets {
			names = append(names, t.Computer)
		}
		if !o.json {
			showPlan(c.OutOrStdout(), plan)
		}
	}
	verb, does := typedVerb(x.Kind), "wipes everything on their disks and puts "+x.Master+" there"
	switch x.Kind {
	case job.KindReset:
		does = "takes back everything that was changed on their disks"
	case job.KindWipe:
		does = "destroys everything on their disks"
	case job.KindScript:
		does = "lets a script change their disks"
	}
	now, wanted := "none now", verb+" all"
	if len(names) > 0 {
		now, wanted = fmt.Sprintf("%d now, %s", len(names), strings.Join(names, ", ")), fmt.Sprintf("%s %d", verb, len(names))
	}
	what := fmt.Sprintf("From %s to %s, each %s, without asking again, this %s: the computers of %s then (%s).", s.At, s.Until,
		strings.Join(s.Days, ", "), does, scheduledFor(x), now)
	return agreed(c.InOrStdin(), c.ErrOrStderr(), fleet.Clean(what, 800), wanted)
}
