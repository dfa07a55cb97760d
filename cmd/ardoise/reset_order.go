package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ardoise/ardoise/imaging/job"
)

// ofOrders are the flags of a reset that only orders have: those that say for whom, which may have been given empty, first.
func ofOrders() []string {
	return []string{"computer", "room", "site", "filter", "at", "within", "watch", "wake", "end", "retries", "instead", "skip", "yes"}
}

// aims tells whether somebody was named whose computers are to be reset.
func (o *orderFlags) aims() bool {
	return len(splitList(o.computers))+len(splitList(o.rooms))+len(o.sites) > 0 || o.filter != ""
}

// resetThroughDaemon orders the reset of computers to a version, "" for what each holds; level "" is full.
func resetThroughDaemon(c *cobra.Command, o *orderFlags, master string, level job.Level) error {
	o.countdown = 10
	order, err := o.order(job.KindReset, master)
	if err != nil {
		return err
	}
	order.Level = level
	return o.give(c, order)
}

// misplaced is the first flag that was given and that only orders have, "" for none.
func misplaced(f *pflag.FlagSet) string {
	for _, name := range ofOrders() {
		if f.Changed(name) {
			return name
		}
	}
	return ""
}
