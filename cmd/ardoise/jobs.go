package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// orderFlags are the flags of the commands that give orders.
type orderFlags struct {
	client
	computers []string
	rule      job.DiskRule
	countdown int
	ending    string
	within    time.Duration
	yes       bool
	watch     bool
	rooms     []string
	sites     []string
	filter    string
	retries   int
	instead   bool
	at        string
	wake      bool
	skip      bool
}

func (o *orderFlags) add(c *cobra.Command) {
	o.flags(c)
	o.when(c)
}

// when adds the flags that say for which computers an order is, and when.
func (o *orderFlags) when(c *cobra.Command) {
	f := c.Flags()
	f.StringSliceVar(&o.computers, "computer", nil, "computers, by name, id or MAC address")
	f.DurationVar(&o.within, "within", 0, "cancel where it has not begun by then (default a week)")
	f.BoolVar(&o.watch, "watch", false, "then watch the job until it is over")
	f.StringVar(&o.at, "at", "", "not before this time: 22:00, or 2026-11-23T02:00, in the time of this machine")
	f.BoolVar(&o.wake, "wake", false, "wake the computers by the network (with --at: when the time has come)")
}

// disk adds the flags of orders that read or write a disk: which one, where there are several.
func (o *orderFlags) disk(c *cobra.Command) {
	f := c.Flags()
	f.Int64Var(&o.rule.MinSize, "min-size", 0, "the disk has at least so many bytes")
	f.Int64Var(&o.rule.MaxSize, "max-size", 0, "the disk has at most so many bytes")
	f.StringVar(&o.rule.Bus, "bus", "", "the disk is on this bus: nvme, sata, scsi, usb, mmc, virtio")
	f.StringVar(&o.rule.Model, "model", "", "the disk's model contains this")
	f.StringVar(&o.rule.Serial, "serial", "", "the disk has this serial number")
}

// end adds the flag of orders after which a computer may do several things. usual is what it does without.
func (o *orderFlags) end(c *cobra.Command, usual job.Ending) {
	f := c.Flags()
	f.StringVar(&o.ending, "end", string(usual), "what the computer does afterwards: disk, which starts it, poweroff or stay")
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "ending" { // what the wire and the documents call it
			name = "end"
		}
		return pflag.NormalizedName(name)
	})
}

// several adds the flags of orders that rooms can be given.
func (o *orderFlags) several(c *cobra.Command) {
	f := c.Flags()
	f.StringSliceVar(&o.rooms, "room", nil, "all computers of a room, or of several")
	f.StringSliceVar(&o.sites, "site", nil, "all computers of a site, or of several; - is the one without a name")
	f.StringVar(&o.filter, "filter", "", "all computers that this matches, as: tag:portable -runs:Bureautique@7")
	f.IntVar(&o.retries, "retries", 0, "how often a task that failed is tried again, at most 5")
	f.BoolVar(&o.instead, "instead", false, "cancel what waits for these computers")
	f.BoolVar(&o.skip, "skip", false, "leave out the computers that cannot take it now")
	f.BoolVar(&o.yes, "yes", false, "do not ask")
}

func (o *orderFlags) order(kind job.Kind, master string) (access.Order, error) {
	at, err := timeOf(o.at, time.Now())
	out := access.Order{Kind: kind, Computers: splitList(o.computers), Rooms: splitList(o.rooms), Filter: o.filter, Master: master,
		Disk: o.rule, Countdown: o.countdown, Ending: job.Ending(o.ending), Within: int(o.within / time.Second), At: at, Wake: o.wake,
		Skip: o.skip, Retries: o.retries, Instead: o.instead}
	for _, s := range splitList(o.sites) {
		out.Sites = append(out.Sites, siteName(s))
	}
	if len(out.Rooms) == 1 {
		out.Room, out.Rooms = out.Rooms[0], nil
	}
	return out, err
}

// timeOf reads the time of --at: an hour that is past today is tomorrow's.
func timeOf(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse("15:04", s); err == nil {
		at := time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), 0, 0, now.Location())
		if !at.After(now) {
			at = time.Date(now.Year(), now.Month(), now.Day()+1, t.Hour(), t.Minute(), 0, 0, now.Location())
		}
		return at, nil
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02 15:04", time.RFC3339} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usagef("--at is a time like 22:00 or 2026-11-23T02:00, not %q", s)
}

func newCapture() *cobra.Command {
	var o orderFlags
	var note string
	var asIs bool
	c := &cobra.Command{
		Use: "capture NAME --computer COMPUTER", Short: "make the next version of a master from a computer's disk",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			order, err := o.order(job.KindCapture, args[0])
			if err != nil {
				return err
			}
			order.Note, order.AsIs = note, asIs
			return o.give(c, order)
		},
	}
	o.add(c)
	o.disk(c)
	o.end(c, job.EndDisk)
	c.Flags().StringVar(&note, "note", "", "what is new in this version")
	c.Flags().BoolVar(&asIs, "as-is", false, "capture volumes that are not clean as raw bytes")
	return c
}

func newDeploy() *cobra.Command {
	var o orderFlags
	var unicast bool
	c := &cobra.Command{
		Use: "deploy NAME[@VERSION] --room ROOM | --computer COMPUTER[,COMPUTER...]", Short: "put a master on the disks of computers",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			order, err := o.order(job.KindDeploy, args[0])
			if err != nil {
				return err
			}
			order.Unicast = unicast
			return o.give(c, order)
		},
	}
	o.add(c)
	o.disk(c)
	o.end(c, job.EndDisk)
	o.several(c)
	c.Flags().BoolVar(&unicast, "unicast", false, "let each computer fetch for itself, also where there are several")
	c.Flags().IntVar(&o.countdown, "countdown", 10, "seconds that each computer shows before anything is destroyed")
	return c
}

// give shows what an order would do, asks where something is lost, and gives it.
func (o *orderFlags) give(c *cobra.Command, order access.Order) error {
	if len(order.Computers)+len(order.Rooms)+len(order.Sites) == 0 && order.Room+order.Filter == "" {
		return usagef("name at least one computer with --computer, or a room with --room")
	}
	ctx := c.Context()
	d, err := o.dial(ctx)
	if err != nil {
		return err
	}
	plan, err := d.Plan(ctx, order)
	if err != nil {
		return err
	}
	if !o.json {
		showPlan(c.OutOrStdout(), plan)
	}
	for _, t := range plan.Targets {
		if t.Refusal != nil && !order.Skip {
			return t.Refusal
		}
	}
	if (fleet.Destroys(order.Kind) || loses(plan)) && !o.yes {
		if err := confirm(c.InOrStdin(), c.ErrOrStderr(), plan); err != nil {
			return err
		}
	}
	if order.Master != "" && order.Kind != job.KindCapture {
		order.Master = plan.Master // what was shown, even if a newer version has come meanwhile
	}
	j, err := d.Order(ctx, order)
	if err != nil {
		return err
	}
	if !o.watch {
		return o.show(c.OutOrStdout(), j, func(w io.Writer) {
			line := jobText(j)
			if j.NotBefore != nil {
				line += ", " + jobState(j)
			}
			_, _ = fmt.Fprintf(w, "job %s: %s\n", j.ID, line)
		})
	}
	return watchJob(ctx, d, j.ID, o.json, c.OutOrStdout())
}

// loses tells whether a computer of a plan loses something.
func loses(p access.Plan) bool {
	return slices.ContainsFunc(p.Targets, func(t access.Target) bool { return t.Loses != "" })
}

// confirm asks a person, by the word that names what is lost.
func confirm(in io.Reader, out io.Writer, p access.Plan) error {
	var names []string
	for _, t := range p.Targets {
		if t.Refusal == nil {
			names = append(names, t.Computer)
		}
	}
	if len(names) == 0 {
		return nil // the daemon says why
	}
	what := "This wipes everything on %d disk(s), of %s, and puts " + p.Master + " there."
	switch p.Kind {
	case job.KindReset:
		what = "This takes back everything that was changed on %d disk(s), of %s, as the list above says."
	case job.KindWipe:
		what = "This destroys everything on %d disk(s), of %s. Nothing brings it back, and they will not start."
	case job.KindScript:
		what = "This lets a script change %d disk(s), of %s. What they hold is not proven any more."
	}
	return agreed(in, out, fmt.Sprintf(what, len(names), fleet.Clean(strings.Join(names, ", "), 400)), fmt.Sprintf("%s %d", typedVerb(p.Kind), len(names)))
}

// typedVerb is what a person types to agree to an order of this kind, before the number of computers.
func typedVerb(k job.Kind) string {
	switch k {
	case job.KindReset:
		return "reset"
	case job.KindWipe:
		return "destroy"
	case job.KindScript:
		return "run"
	}
	return "wipe"
}

// agreed says what is lost, and refuses unless a person types the words that say so.
func agreed(in io.Reader, out io.Writer, what, wanted string) error {
	_, _ = fmt.Fprintf(out, "%s\nType \"%s\" to go on: ", what, wanted)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && err != io.EOF {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if strings.TrimSpace(line) != wanted {
		_, _ = fmt.Fprintln(out)
		return &noticeError{code: "declined"}
	}
	return nil
}

func newJob() *cobra.Command {
	return noun("job", "list, watch and cancel jobs", jobList(), jobShow(), jobWatch(), jobCancel())
}

func jobList() *cobra.Command {
	var f access.JobFilter
	var kind string
	c := asking(&cobra.Command{Use: "list", Short: "list jobs, newest first", Args: cobra.NoArgs},
		func(ctx context.Context, d *api.Client, _ []string) ([]access.Job, error) {
			f.Kind = job.Kind(kind)
			return d.ListJobs(ctx, f)
		}, func(w io.Writer, all []access.Job) {
			rows := [][]string{{"JOB", "STATE", "WHAT", "WHERE", "BY", "SINCE"}}
			for _, j := range all {
				rows = append(rows, []string{j.ID, jobState(j), jobText(j), dash(strings.Join(j.Rooms, " ")), j.OrderedBy, ago(j.Created)})
			}
			table(w, rows)
		})
	l := c.Flags()
	l.StringVar(&f.Room, "room", "", "only those with a computer of this room")
	l.StringVar(&f.State, "state", "", "only those that are waiting, running, done, failed or cancelled")
	l.StringVar(&kind, "kind", "", "only deployments (deploy), resets (reset) and so on")
	l.StringVar(&f.Before, "before", "", "only jobs with lower numbers: the next page")
	pageFlags(c, &f.Limit, 100_000)
	return c
}

// jobState says how a job stands, and until when it waits.
func jobState(j access.Job) string {
	if j.State == job.TaskWaiting && j.NotBefore != nil && time.Until(*j.NotBefore) > 0 {
		return "waits for " + j.NotBefore.Local().Format("2006-01-02 15:04")
	}
	return j.State
}

// jobText says in a line what a job is.
func jobText(j access.Job) string {
	what := string(j.Kind)
	if j.Master != "" {
		what += " " + j.Master
	}
	if j.Version > 0 {
		what += fmt.Sprintf("@%d", j.Version)
	}
	if j.Level != "" {
		what += ", " + string(j.Level)
	}
	if len(j.Tasks) == 1 {
		return what + ", " + j.Tasks[0].Computer
	}
	return fmt.Sprintf("%s, %d computers", what, len(j.Tasks))
}

func jobShow() *cobra.Command {
	var k client
	return k.flags(&cobra.Command{
		Use: "show JOB", Short: "show a job, computer by computer", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			d, err := k.dial(c.Context())
			if err != nil {
				return err
			}
			j, err := d.Job(c.Context(), args[0])
			if err != nil {
				return err
			}
			events, err := d.Events(c.Context(), "", j.ID)
			if err != nil {
				return err
			}
			return k.show(c.OutOrStdout(), j, func(w io.Writer) { showJob(w, j, events) })
		},
	})
}

func showJob(w io.Writer, j access.Job, events []access.Event) {
	_, _ = fmt.Fprintf(w, "job %s: %s, %s, ordered by %s %s\n", j.ID, jobText(j), jobState(j), j.OrderedBy, ago(j.Created))
	for _, t := range j.Tasks {
		_, _ = fmt.Fprintf(w, "\n%s  %s: %s\n", t.ID, strings.TrimSpace(t.Computer+" "+t.Target), fleet.Clean(taskText(t), 400))
		for _, s := range t.Timings {
			_, _ = fmt.Fprintf(w, "    %-20s %8.1f s\n", fleet.Clean(s.Step, 64), s.Seconds)
		}
		if text := receptionText(t.Reception); text != "" {
			_, _ = fmt.Fprintf(w, "    session: %s\n", text)
		}
		showOutcome(w, j.Kind, t)
	}
	for _, l := range j.LeftOut {
		_, _ = fmt.Fprintf(w, "\n%s  left out: %s\n", fleet.Clean(l.Computer, 63), fleet.Clean(l.Refusal.Error(), 400))
	}
	showSession(w, j.Session)
	_, _ = fmt.Fprintln(w)
	for i := len(events) - 1; i >= 0; i-- {
		e := events[i]
		_, _ = fmt.Fprintf(w, "%s  %s  %s  %s\n", e.Time.Local().Format(time.DateTime), fleet.Clean(e.Computer, 63),
			fleet.Clean(e.Kind, 32), fleet.Clean(e.Detail, 200))
	}
}

// taskText says in a line how a task stands.
func taskText(t access.Task) string {
	switch {
	case t.Outcome != nil && t.State == job.TaskDone:
		text := fmt.Sprintf("done in %.0f s, %s read, %s written, %s over the network", t.Outcome.Seconds,
			bytesText(t.Outcome.ReadBytes), bytesText(t.Outcome.WrittenBytes), bytesText(t.Outcome.StoredBytes))
		if t.Outcome.FromCache > 0 {
			text += fmt.Sprintf(", %s from its own cache", bytesText(t.Outcome.FromCache))
		}
		if t.Outcome.Doubt != "" {
			text += ", everything was read: " + t.Outcome.Doubt
		}
		if t.Published != nil {
			text += fmt.Sprintf(", published %s@%d, %s new", t.Published.Master, t.Published.Version, bytesText(t.Outcome.NewBytes))
		}
		return text
	case t.Outcome != nil:
		return strings.TrimSpace(t.State + ": " + t.Outcome.Code + " " + t.Outcome.Detail)
	case t.Step == "":
		return t.State
	case t.Total > 0:
		return fmt.Sprintf("%s %d/%d, %d %%", t.Step, t.StepNumber, t.Steps, min(100, 100*t.Done/t.Total))
	}
	return fmt.Sprintf("%s %d/%d", t.Step, t.StepNumber, t.Steps)
}

func jobWatch() *cobra.Command {
	var k client
	return k.flags(&cobra.Command{
		Use: "watch JOB", Short: "watch a job until it is over; ends with 0 when all is done", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			d, err := k.dial(c.Context())
			if err != nil {
				return err
			}
			return watchJob(c.Context(), d, args[0], k.json, c.OutOrStdout())
		},
	})
}

func jobCancel() *cobra.Command {
	var k client
	var force bool
	c := k.flags(&cobra.Command{
		Use: "cancel JOB", Short: "cancel what has not begun and stop what has not written", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			d, err := k.dial(c.Context())
			if err != nil {
				return err
			}
			j, err := d.Cancel(c.Context(), args[0], force)
			if err != nil {
				return err
			}
			return k.show(c.OutOrStdout(), j, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "job %s: %s\n", j.ID, j.State)
				if len(j.Going) > 0 {
					_, _ = fmt.Fprintf(w, "their disks are being written, they go on: %s\n", fleet.Clean(strings.Join(j.Going, ", "), 1000))
				}
			})
		},
	})
	c.Flags().BoolVar(&force, "force", false, "also where a disk is being written: it stays unfinished and does not start")
	return c
}

// watchJob shows a job until it is over, and fails when a computer failed.
func watchJob(ctx context.Context, d *api.Client, id string, asJSON bool, w io.Writer) error {
	var s screen = &lineScreen{w: w}
	switch {
	case asJSON:
		s = jsonScreen{w}
	case isTerminal(w):
		s = &barScreen{w: w, now: time.Now, width: widthOf(w)}
	}
	var last access.Job
	for j, err := range d.Watch(ctx, id) {
		if err != nil {
			return err
		}
		last = j
		s.show(j)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	bad := 0
	for _, t := range last.Tasks {
		if t.State != job.TaskDone {
			bad++
		}
	}
	switch {
	case last.State == job.TaskWaiting || last.State == job.TaskRunning:
		return &noticeError{"internal", "", "the daemon ended while the job was watched"}
	case bad > 0:
		return &watchedError{noticeError{"job-failed", last.ID, fmt.Sprintf("%d of %d", bad, len(last.Tasks))}}
	}
	return nil
}

// watchedError ends `job watch` with exit code 1: the command worked, a computer did not.
type watchedError struct{ noticeError }

// Unwrap returns the notice to be told.
func (e *watchedError) Unwrap() error { return &e.noticeError }
