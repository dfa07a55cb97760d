package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ardoise/ardoise/console/api"
)

// asking makes c ask the daemon one thing, and show the answer as text or JSON.
func asking[T any](c *cobra.Command, do func(ctx context.Context, d *api.Client, args []string) (T, error), text func(io.Writer, T)) *cobra.Command {
	var k client
	c.RunE = func(c *cobra.Command, args []string) error {
		d, err := k.dial(c.Context())
		if err != nil {
			return err
		}
		out, err := do(c.Context(), d, args)
		if err != nil {
			return err
		}
		return k.show(c.OutOrStdout(), out, func(w io.Writer) { text(w, out) })
	}
	return k.flags(c)
}

// noun is a command that only has others below it.
func noun(name, short string, verbs ...*cobra.Command) *cobra.Command {
	var names []string
	for _, v := range verbs {
		names = append(names, v.Name())
	}
	c := &cobra.Command{Use: name, Short: short, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return usagef("say what to do: %s", strings.Join(names, ", ")) }}
	c.AddCommand(verbs...)
	return c
}

// done prints what was done to a thing.
func done(w io.Writer, name, what string) { _, _ = fmt.Fprintf(w, "%s: %s\n", name, what) }

// marked is a word where something is so, and "-" where it is not.
func marked(on bool, word string) string {
	if on {
		return word
	}
	return "-"
}
