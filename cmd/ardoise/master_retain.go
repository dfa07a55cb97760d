package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ardoise/ardoise/console/access"
)

func masterRetain() *cobra.Command {
	var k client
	var change access.MasterChange
	c := k.flags(&cobra.Command{
		Use: "retain NAME [--last N | --off]", Args: cobra.ExactArgs(1),
		Short: "say which versions stay: the last N, those on channels and those in use; the daemon forgets the others at night",
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("last") && change.KeepLast < 1 {
				return usagef("say with --last how many versions stay, one at least")
			}
			if change.Off && (change.KeepLast > 0 || change.Now || change.DryRun) {
				return usagef("--off takes the rule away; it goes with no other")
			}
			return k.at(c.Context(), needs{fleet: true}, func(d *desk) error {
				out, err := d.Retain(c.Context(), args[0], change)
				if err != nil {
					return err
				}
				return k.show(c.OutOrStdout(), out, func(w io.Writer) { showRetention(w, out) })
			})
		},
	})
	c.Flags().IntVar(&change.KeepLast, "last", 0, "make it the rule that so many of the newest versions stay")
	c.Flags().BoolVar(&change.Off, "off", false, "take the rule away: all versions stay")
	c.Flags().BoolVar(&change.Now, "now", false, "forget at once what the rule does not keep, instead of at night")
	c.Flags().BoolVar(&change.DryRun, "dry-run", false, "only say what would be forgotten; the rule stays what it was")
	return c
}

func showRetention(w io.Writer, r access.Retention) {
	if r.Rule == nil {
		_, _ = fmt.Fprintf(w, "%s has no retention rule: all versions stay\n", r.Name)
	} else {
		_, _ = fmt.Fprintf(w, "%s: %s\n", r.Name, ruleText(r.Rule))
	}
	if len(r.Versions) == 0 {
		return
	}
	rows := [][]string{{"VERSION", "", "WHY"}}
	for _, v := range r.Versions {
		what, why := "stays", strings.Join(v.Why, ", ")
		switch {
		case !v.Kept && r.Done:
			what, why = "forgotten", "nothing needs it"
		case !v.Kept:
			what, why = "would be forgotten", "nothing needs it"
		}
		rows = append(rows, []string{v.Version, what, why})
	}
	table(w, rows)
}

// ruleText says a retention rule, "" when there is none.
func ruleText(r *access.Rule) string {
	if r == nil {
		return ""
	}
	stay := "the newest stays"
	if r.KeepLast > 1 {
		stay = fmt.Sprintf("the newest %d stay", r.KeepLast)
	}
	return fmt.Sprintf("%s, and what is on a channel or in use (%s, %s)", stay, dash(r.By), r.At.Local().Format(time.DateTime))
}
