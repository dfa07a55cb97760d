package lab

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ardoise/ardoise/console/api"
)

// Limits of what a PC may take under emulation while a neighbour runs on the same cores.
const (
	BootLimit = 5 * time.Minute
	WorkLimit = 8 * time.Minute
)

// codePattern is the agent's line with the code that a technician compares.
var codePattern = regexp.MustCompile(`^ardoise: code ([0-9]{6})`)

// Computers lists what the daemon knows.
func (s *School) Computers(ctx context.Context) ([]api.Computer, error) {
	var list []api.Computer
	return list, s.Ask(ctx, &list, "computer", "list")
}

// Find returns what the daemon knows of a PC, found by its MAC address.
func (s *School) Find(ctx context.Context, pc *PC) (api.Computer, error) {
	list, err := s.Computers(ctx)
	if err != nil {
		return api.Computer{}, err
	}
	for _, c := range list {
		if slices.ContainsFunc(c.MACs, func(mac string) bool { return strings.EqualFold(mac, pc.MAC) }) {
			return c, nil
		}
	}
	return api.Computer{}, fmt.Errorf("the daemon does not know %s (%s) among %d computers", pc.Name, pc.MAC, len(list))
}

// Enrol does what a technician does: reads the code on the PC's screen, compares it with the daemon's and approves.
func (s *School) Enrol(ctx context.Context, pc *PC) (code string, err error) {
	line, err := pc.Wait(ctx, codePattern.String(), BootLimit)
	if err != nil {
		return "", err
	}
	code = codePattern.FindStringSubmatch(line.Text)[1]
	c, err := s.Find(ctx, pc)
	if err != nil {
		return code, err
	}
	if c.Code != code || c.State != "pending" {
		return code, fmt.Errorf("%s shows code %s, the daemon has code %q and calls it %s", pc.Name, code, c.Code, c.State)
	}
	_, err = s.Order(ctx, "computer", "approve", code, "--name", pc.Name)
	return code, err
}

// Deploy orders a master for a PC, which ends as said (disk, poweroff), and returns the job's id.
func (s *School) Deploy(ctx context.Context, master string, pc *PC, ending string) (string, error) {
	var job api.Job
	err := s.Ask(ctx, &job, "deploy", master, "--computer", pc.Name, "--end", ending, "--countdown", "0", "--yes")
	return job.ID, err
}

// Job asks how a job goes.
func (s *School) Job(ctx context.Context, id string) (api.Job, error) {
	var job api.Job
	return job, s.Ask(ctx, &job, "job", "show", id)
}

// Done waits until the only task of a job is over and returns it.
func (s *School) Done(ctx context.Context, id string, limit time.Duration) (api.Task, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		job, err := s.Job(ctx, id)
		if err != nil {
			return api.Task{}, err
		}
		if len(job.Tasks) != 1 {
			return api.Task{}, fmt.Errorf("job %s has %d tasks, want 1", id, len(job.Tasks))
		}
		task := job.Tasks[0]
		switch task.State {
		case "done":
			return task, nil
		case "failed", "cancelled":
			return task, fmt.Errorf("task %s %s: %+v", task.ID, task.State, task.Outcome)
		}
		select {
		case <-ctx.Done():
			return task, fmt.Errorf("job %s is still %s: %w", id, task.State, ctx.Err())
		case <-time.After(500 * time.Millisecond):
		}
	}
}
