package main

import (
	"github.com/spf13/cobra"

	"github.com/ardoise/ardoise/imaging/job"
)

// resetOrder is a reset that the daemon is asked for.
type resetOrder struct {
	client
	Room     string
	Computer string
	At       string    // "" = now
	Level    job.Level // "" = full

	Master                 string // NAME@V; "" = what each computer holds
	Ending                 string // "" = disk
	Yes, Wake, Skip, Watch bool
}

// resetThroughDaemon orders the reset of computers.
func resetThroughDaemon(c *cobra.Command, r resetOrder) error {
	o := orderFlags{client: r.client, at: r.At, countdown: 10, ending: string(job.EndDisk), yes: r.Yes, wake: r.Wake,
		skip: r.Skip, watch: r.Watch}
	o.computers, o.rooms = append(o.computers, r.Computer), append(o.rooms, r.Room)
	if r.Ending != "" {
		o.ending = r.Ending
	}
	order, err := o.order(job.KindReset, r.Master)
	if err != nil {
		return err
	}
	order.Level = r.Level
	return o.give(c, order)
}

// add adds the flags that only orders have.
func (r *resetOrder) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&r.Ending, "end", "", "with --room or --computer, what the computers do afterwards: disk (the default), poweroff or stay")
	f.BoolVar(&r.Yes, "yes", false, "with --room or --computer: do not ask")
	f.BoolVar(&r.Wake, "wake", false, "with --room or --computer: wake them by the network")
	f.BoolVar(&r.Skip, "skip", false, "with --room or --computer: leave out those that cannot take it now")
	f.BoolVar(&r.Watch, "watch", false, "with --room or --computer: then watch the job until it is over")
}
