package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
)

func newEvent() *cobra.Command {
	c := &cobra.Command{Use: "event", Short: "show what happened: to computers, jobs and masters", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return usagef("say what to do: list") }}
	c.AddCommand(eventList())
	return c
}

func eventList() *cobra.Command {
	var f access.EventFilter
	var since string
	c := asking(&cobra.Command{Use: "list", Short: "list events, the newest last: starts, orders, alarms, versions that were forgotten", Args: cobra.NoArgs},
		func(ctx context.Context, d *api.Client, _ []string) (_ []access.Event, err error) {
			if f.Since, err = instantOf("since", since, time.Now()); err != nil {
				return nil, err
			}
			all, err := d.ListEvents(ctx, f)
			slices.Reverse(all) // as a log is read
			return all, err
		}, listEvents)
	l := c.Flags()
	l.StringVar(&f.Computer, "computer", "", "only those of this computer")
	l.StringVar(&f.Job, "job", "", "only those of this job")
	l.StringVar(&f.Room, "room", "", "only those of this room, as it was at the time")
	l.StringVar(&f.Severity, "severity", "", "only those that are info, warning or alarm")
	l.StringVar(&since, "since", "", "not before this time: 2026-11-23, 2026-11-23T02:00, or 36h for the last 36 hours")
	l.Int64Var(&f.Before, "before", 0, "only events with lower numbers: the page before")
	pageFlags(c, &f.Limit, 1000)
	return c
}

// pageFlags adds the flag that says how much of a long list is wanted.
func pageFlags(c *cobra.Command, limit *int, most int) {
	c.Flags().IntVar(limit, "limit", 200, fmt.Sprintf("at most so many, up to %d", most))
}

// instantOf reads a moment of the past: a day, a time of it, or how long it is ago.
func instantOf(flag, s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(s); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02 15:04", time.RFC3339} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usagef("--%s is a time like 2026-11-23 or 2026-11-23T02:00, or how long it is ago, as 36h, not %q", flag, s)
}

func listEvents(w io.Writer, all []access.Event) {
	rows := [][]string{{"NUMBER", "TIME", "", "EVENT", "COMPUTER", "TASK", "DETAIL"}}
	for _, e := range all {
		who := e.Computer
		if who == "" {
			who = e.MAC
		}
		rows = append(rows, []string{fmt.Sprint(e.Number), e.Time.Local().Format(time.DateTime), fmt.Sprint(e.Severity), e.Kind, dash(who), dash(e.Task), dash(e.Detail)})
	}
	table(w, rows)
}
