package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/ardoise/ardoise/console/access"
)

func newEvent() *cobra.Command {
	c := &cobra.Command{Use: "event", Short: "show what happened: to computers, jobs and masters", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return usagef("say what to do: list") }}
	c.AddCommand(eventList())
	return c
}

func eventList() *cobra.Command {
	var k client
	var computer, jobID string
	c := k.flags(&cobra.Command{
		Use: "list", Short: "list the last 200 events, newest last: starts, orders, alarms, versions that were forgotten",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := k.dial(c.Context())
			if err != nil {
				return err
			}
			all, err := d.Events(c.Context(), computer, jobID)
			if err != nil {
				return err
			}
			slices.Reverse(all) // as a log is read
			return k.show(c.OutOrStdout(), all, func(w io.Writer) { listEvents(w, all) })
		},
	})
	c.Flags().StringVar(&computer, "computer", "", "only those of this computer")
	c.Flags().StringVar(&jobID, "job", "", "only those of this job")
	return c
}

func listEvents(w io.Writer, all []access.Event) {
	rows := [][]string{{"TIME", "", "EVENT", "COMPUTER", "TASK", "DETAIL"}}
	for _, e := range all {
		who := e.Computer
		if who == "" {
			who = e.MAC
		}
		rows = append(rows, []string{e.Time.Local().Format(time.DateTime), fmt.Sprint(e.Severity), e.Kind, dash(who), dash(e.Task), dash(e.Detail)})
	}
	table(w, rows)
}
