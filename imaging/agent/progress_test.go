package agent

import (
	"testing"

	"github.com/ardoise/ardoise/imaging/job"
)

// The bytes of one phase are not told as those of the next.
func TestAPhaseBeginsWithoutBytes(t *testing.T) {
	p := &progress{at: 3, r: job.Report{Steps: []string{"disk", "manifest", "countdown", "restore"}, Step: 3, Phase: "scan", Done: 90, Total: 100, Written: 7}}
	p.phase("data")
	if r := p.report(job.TaskRunning); r.Phase != "data" || r.Done != 0 || r.Total != 0 || r.Written != 7 || r.Step != 3 {
		t.Errorf("it reports %+v", r)
	}
}
