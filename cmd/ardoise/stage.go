package main

import (
	"github.com/spf13/cobra"

	"github.com/ardoise/ardoise/imaging/job"
)

func newStage() *cobra.Command {
	var o orderFlags
	c := &cobra.Command{
		Use:   "stage NAME[@VERSION] --room ROOM | --computer COMPUTER[,COMPUTER...]",
		Short: "bring a version into the caches of computers: switching to it later costs nothing",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			order, err := o.order(job.KindStage, args[0])
			if err != nil {
				return err
			}
			return o.give(c, order)
		},
	}
	o.add(c)
	o.disk(c)
	o.end(c, job.EndDisk)
	o.several(c)
	return c
}
