package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/masters"
)

func masterPromote() *cobra.Command {
	var k client
	var off bool
	c := k.flags(&cobra.Command{
		Use: "promote NAME@VERSION CHANNEL", Short: "make a channel (test, stable, your own) point at a version", Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			verb := "promote"
			if off {
				verb = "withdraw"
			}
			return k.move(c, verb, args[0], args[1])
		},
	})
	c.Flags().BoolVar(&off, "off", false, "take the channel away from NAME instead")
	return c
}

func masterRollback() *cobra.Command {
	var k client
	return k.flags(&cobra.Command{
		Use: "rollback NAME [CHANNEL]", Short: "make a channel point at what it pointed at before (default: stable)",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			return k.move(c, "rollback", args[0], append(args, masters.Stable)[1])
		},
	})
}

// move changes a channel and says how. One that a room or a schedule names is not taken away.
func (k *client) move(c *cobra.Command, verb, ref, channel string) error {
	return k.at(c.Context(), needs{fleet: verb == "withdraw"}, func(d *desk) error {
		m, err := d.Channel(c.Context(), verb, ref, channel)
		if err != nil {
			return err
		}
		return k.show(c.OutOrStdout(), m, func(w io.Writer) { _, _ = fmt.Fprintln(w, moveText(m)) })
	})
}

func moveText(m access.Move) string {
	switch {
	case m.To == 0:
		return fmt.Sprintf("%s has no channel %s any more; it pointed at version %d", m.Name, m.Channel, m.From)
	case m.From == m.To:
		return fmt.Sprintf("%s@%s points at version %d already", m.Name, m.Channel, m.To)
	case m.From == 0:
		return fmt.Sprintf("%s@%s points at version %d", m.Name, m.Channel, m.To)
	}
	return fmt.Sprintf("%s@%s points at version %d; it was %d", m.Name, m.Channel, m.To, m.From)
}

func masterNote() *cobra.Command {
	var k client
	return k.flags(&cobra.Command{
		Use: "note NAME@VERSION TEXT", Short: "write a note on a version; earlier ones are kept", Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return k.at(c.Context(), needs{}, func(d *desk) error {
				m, err := d.Note(c.Context(), args[0], args[1])
				if err != nil {
					return err
				}
				return k.show(c.OutOrStdout(), m, func(w io.Writer) { _, _ = fmt.Fprintf(w, "%s: %s\n", versionText(m), oneLine(m.Note)) })
			})
		},
	})
}

func masterForget() *cobra.Command {
	var k client
	return k.flags(&cobra.Command{
		Use: "forget NAME@VERSION", Short: "make a version unknown; its space returns with `ardoise store gc`", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return k.at(c.Context(), needs{fleet: true}, func(d *desk) error {
				m, err := d.Forget(c.Context(), args[0])
				if err != nil {
					return err
				}
				return k.show(c.OutOrStdout(), m, func(w io.Writer) { _, _ = fmt.Fprintf(w, "%s is forgotten\n", versionText(m)) })
			})
		},
	})
}

func masterKey() *cobra.Command {
	var k client
	c := k.flags(&cobra.Command{
		Use: "key", Short: "show the keys that versions may be signed with, with their fingerprints", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return k.at(c.Context(), needs{}, func(d *desk) error {
				keys, err := d.Keys(c.Context())
				if err != nil {
					return err
				}
				return k.show(c.OutOrStdout(), keys, func(w io.Writer) { showKeys(w, keys) })
			})
		},
	})
	var r client
	c.AddCommand(r.flags(&cobra.Command{
		Use: "rotate", Short: "make a new signing key, signed by the present one; what was signed stays valid", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return r.at(c.Context(), needs{}, func(d *desk) error {
				keys, err := d.RotateKey(c.Context())
				if err != nil {
					return err
				}
				return r.show(c.OutOrStdout(), keys, func(w io.Writer) { showKeys(w, keys) })
			})
		},
	}))
	return c
}

func showKeys(w io.Writer, keys []access.Key) {
	rows := [][]string{{"FINGERPRINT", ""}}
	for _, key := range keys {
		what := "trusted"
		if key.Signs {
			what = "signs"
		}
		rows = append(rows, []string{key.Fingerprint, what})
	}
	table(w, rows)
}
