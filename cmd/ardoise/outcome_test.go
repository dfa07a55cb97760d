package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/imaging/job"
)

// Whoever has no browser reads in `job show` what the console's pages say of a task: the certificate, what differs, what a
// script has said, who was left out and why.
func TestAJobIsShownWithWhatItFound(t *testing.T) {
	began := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	task := func(state string, o access.Outcome) access.Task {
		return access.Task{ID: "7-1", Computer: "pc1", State: state, Outcome: &o}
	}
	proof := job.WipeProof{Ordered: "auto", Method: "sanitize", Reported: "NVMe Sanitize, block erase", Path: "/dev/nvme0n1", Model: "KIOXIA", Serial: "Z00077",
		Size: 256_060_514_304, Hidden: 1 << 20, Verified: 256_060_514_304, Notes: []string{"the drive was\x1b[2J frozen"}, Started: began, Ended: began.Add(time.Minute)}
	wiped := task(job.TaskDone, access.Outcome{Code: "ok", Wipe: &proof})
	wiped.Wiped = &access.Wiped{Name: "pc1-then", Manufacturer: "HP", Model: "ProDesk", Serial: "CZC77", Room: "zola/S104"}
	refused := proof
	refused.Refused, refused.Verified = "a block was not erased", 5
	for name, x := range map[string]struct {
		j        access.Job
		has, not []string
	}{
		"a certificate": {access.Job{Kind: job.KindWipe, Tasks: []access.Task{wiped}},
			[]string{"certificate of erasure", "pc1-then zola/S104", "HP ProDesk", "CZC77", "/dev/nvme0n1 KIOXIA, serial Z00077, 256.1 GB", "NVMe Sanitize, block erase",
				"256060514304 bytes found erased, of 256060514304", "1.0 MB that the drive hides", "frozen", "sanitize"}, []string{"\x1b", "no certificate", "script:"}},
		"no certificate": {access.Job{Kind: job.KindWipe, Tasks: []access.Task{task(job.TaskFailed, access.Outcome{Code: "failed", Wipe: &refused})}},
			[]string{"no certificate: a block was not erased", "5 bytes found erased"}, []string{"certificate of erasure"}},
		"an equal disk": {access.Job{Kind: job.KindVerify, Tasks: []access.Task{task(job.TaskDone, access.Outcome{Verify: &job.Verification{Master: "salle", Version: 3, Read: 5_000_000}})}},
			[]string{"verified: equal to salle@3, 5.0 MB read"}, []string{"differs"}},
		"a disk that differs": {access.Job{Kind: job.KindVerify, Tasks: []access.Task{task(job.TaskFailed, access.Outcome{Code: job.CodeDiffers,
			Verify: &job.Verification{Master: "salle", Version: 3, Read: 5_000_000, Chunks: 2, Fills: 1, Bytes: 300_000, Unread: 4, First: "partition 2: /etc/passwd"}})}},
			[]string{"differs from salle@3 in 2 chunks and 1 fills, 300.0 kB of 5.0 MB read", "4 files or volumes", "first partition 2: /etc/passwd"}, []string{"equal to"}},
		"a script": {access.Job{Kind: job.KindScript, Tasks: []access.Task{task(job.TaskFailed, access.Outcome{Code: "script", Exit: 3, Output: "one\n\ttwo \x1b]0;title\a\nthree"})}},
			[]string{"script: exit 3\n", "    | one\n", "    | \ttwo ", "    | three\n"}, []string{"\x1b", "\a"}},
		"a script that was silent": {access.Job{Kind: job.KindScript, Tasks: []access.Task{task(job.TaskDone, access.Outcome{Code: "ok"})}}, []string{"script: exit 0\n"}, []string{"    | "}},
		"a script that was killed": {access.Job{Kind: job.KindScript, Tasks: []access.Task{task(job.TaskFailed, access.Outcome{Exit: -1})}}, []string{"script: ended by a signal\n"}, nil},
		"who was left out": {access.Job{Kind: job.KindDeploy, LeftOut: []access.LeftOut{{Computer: "pc9", Refusal: access.Error{Code: "too-small", Detail: "32 GB"}}}},
			[]string{"pc9  left out: too-small: 32 GB\n"}, nil},
	} {
		x.j.ID, x.j.State, x.j.OrderedBy = "7", "done", "marie"
		var b bytes.Buffer
		showJob(&b, x.j, nil)
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
