package refusals_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/integration/lab"
	"github.com/ardoise/ardoise/integration/lab/rig"
)

// bare raises a school without a daemon.
func bare(t *testing.T, name string) *lab.School {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	school, err := lab.Open(t.Context(), lab.Options{Checkout: root, Logs: filepath.Join(root, "build", "lab", name)})
	if err != nil {
		t.Fatal(err)
	}
	rig.CloseAtEnd(t, school)
	return school
}

// plug adds a namespace to the switch.
func plug(t *testing.T, school *lab.School, name, address string) string {
	t.Helper()
	space, err := school.Plug(t.Context(), name, address)
	if err != nil {
		t.Fatal(err)
	}
	return space
}

// edge matches what a refused command must print: one line with what happened, then one with what to do.
var edge = regexp.MustCompile(`(?m)\Aerror: .+\nhint: .+\n\z`)

// wantRefusal checks exit code, form and words of a refusal.
func wantRefusal(t *testing.T, err error, code int, words ...string) {
	t.Helper()
	var refusal *lab.CommandError
	if !errors.As(err, &refusal) {
		t.Errorf("got %v, want a refusal with exit code %d", err, code)
		return
	}
	if refusal.Code != code {
		t.Errorf("%v: want exit code %d", refusal, code)
	}
	if !edge.MatchString(refusal.Complaint) {
		t.Errorf("want one line error: and one line hint:, got:\n%s", refusal.Complaint)
	}
	for _, word := range words {
		if !strings.Contains(refusal.Complaint, word) {
			t.Errorf("the refusal does not name %q:\n%s", word, refusal.Complaint)
		}
	}
}

// within runs a command of ours in a namespace and gives up after ten seconds: a daemon that should have refused runs on.
func within(t *testing.T, school *lab.School, namespace string, args ...string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := school.ArdoiseIn(ctx, namespace, args...)
	if ctx.Err() != nil {
		return fmt.Errorf("ardoise %s still ran after ten seconds", strings.Join(args, " "))
	}
	return err
}

// computer makes the hello of a computer with these disks.
func computer(number int, disks ...job.Disk) job.Hello {
	mac := fmt.Sprintf("52:54:00:a7:d1:%02x", number)
	return job.Hello{AgentVersion: "test", MAC: mac, NewKey: true, Inventory: job.Inventory{
		UUID: fmt.Sprintf("a7d01500-5c00-4000-8000-0000000001%02x", number), Serial: fmt.Sprintf("STANDIN%d", number),
		Manufacturer: "Ardoise", Model: "Stand-in", UEFI: true, Cores: 1, MemoryBytes: 1 << 30, Disks: disks,
		NICs: []job.NIC{{Name: "eth0", MAC: mac, Driver: "virtio_net", Link: true, Boot: true}},
	}}
}

// diskOf makes a disk as an agent reports it.
func diskOf(path string, size int64, sector int) job.Disk {
	return job.Disk{Path: path, Size: size, SectorSize: sector, Model: "LAB", Serial: filepath.Base(path), Bus: "sata"}
}

// enrolled introduces a stand-in and approves it.
func enrolled(t *testing.T, school *lab.School, space, name string, hello job.Hello) *lab.StandIn {
	t.Helper()
	agent, err := lab.NewStandIn(space, hello)
	if err != nil {
		t.Fatal(err)
	}
	welcome, err := agent.Introduce(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if welcome.State != job.StatePending || len(welcome.Code) != 6 {
		t.Fatalf("a new computer is %+v, want pending with a code", welcome)
	}
	if _, err := school.Order(t.Context(), "computer", "approve", welcome.Code, "--name", name); err != nil {
		t.Fatal(err)
	}
	agent.Hello.NewKey = false
	if welcome, err = agent.Introduce(t.Context()); err != nil || welcome.State != job.StateEnrolled || welcome.Computer != name {
		t.Fatalf("an approved computer is %+v, %v, want enrolled as %s", welcome, err, name)
	}
	return agent
}

// run runs a program inside a namespace and returns what it printed.
func run(t *testing.T, space string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", space}, args...)...).CombinedOutput()
	return string(out), err
}
