package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/imaging/job"
)

// A person who is asked reads what each computer runs and what it becomes, what goes over the network and how long it takes.
func TestAPlanSaysWhatItCostsAndWhatChanges(t *testing.T) {
	disk := job.Disk{Path: "/dev/sda", Size: 256_000_000_000}
	targets := []access.Target{{Computer: "pc1", Disk: disk, Runs: &access.Proven{Master: "salle", Version: 1}, Target: "salle@2", Loses: "everything"},
		{Computer: "pc2", Target: "salle@2", Refusal: &access.Error{Code: "no-disk"}, Conflict: &access.Conflict{Job: "4", Kind: job.KindReset, By: "zoe", State: "waiting"}}}
	for name, x := range map[string]struct {
		p        access.Plan
		has, not []string
	}{
		"a deployment": {access.Plan{Kind: job.KindDeploy, Master: "salle@2", Bytes: 21_000_000_000, Stored: 9_000_000_000, AirBytes: 1_200_000_000, Seconds: 754, Targets: targets,
			Warnings: []string{"lessons until 18:00: pc1, pc2"}}, []string{"deploy salle@2: 21.0 GB on each disk, 1.2 GB over the network, about 13 min\n", "RUNS", "BECOMES",
			"pc1       salle@1  salle@2  /dev/sda 256.0 GB  everything", "pc2       -        salle@2  -                  refused: no-disk", "pc2: job 4 of zoe, a reset, is waiting\n",
			"warning: lessons until 18:00: pc1, pc2\n"}, []string{"COMPARED", "there to hear"}},
		"a verification": {access.Plan{Kind: job.KindVerify, Seconds: 40, Targets: targets}, []string{"verify: about 40 s\n", "COMPARED WITH"}, []string{"BECOMES", "network"}},
		"a shutdown":     {access.Plan{Kind: job.KindShutdown, InAgent: 1, Targets: targets}, []string{"shutdown: 1 of 2 computers are there to hear it now\n"}, []string{"about"}},
		"a long night":   {access.Plan{Kind: job.KindReset, Seconds: 9000}, []string{"reset: about 2.5 h\n"}, nil},
		"nothing known":  {access.Plan{Kind: job.KindInventory}, []string{"COMPUTER"}, []string{"inventory"}},
	} {
		var b bytes.Buffer
		showPlan(&b, x.p)
		for _, want := range x.has {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s: no %q in\n%s", name, want, b.String())
			}
		}
		for _, never := range x.not {
			if strings.Contains(b.String(), never) {
				t.Errorf("%s: %q in\n%s", name, never, b.String())
			}
		}
	}
}
