package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ardoise/ardoise/console/api"
)

// doctor looks at what this daemon lives in.
func (s *site) doctor(context.Context) []api.Check { return nil }

func newDoctor() *cobra.Command {
	var k client
	return k.flags(&cobra.Command{
		Use: "doctor", Short: "look at network, ports, clock, space and boot files; ends with 1 when something is bad",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := k.dial(c.Context())
			if err != nil {
				return err
			}
			checks, err := d.Doctor(c.Context())
			if err != nil {
				return err
			}
			return k.show(c.OutOrStdout(), checks, func(w io.Writer) {
				for _, x := range checks {
					_, _ = fmt.Fprintln(w, x.State, x.Name, x.Detail)
				}
			})
		},
	})
}
