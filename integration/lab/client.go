package lab

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ardoise/ardoise/console/access"
)

// Limits of what a PC may take under emulation while a neighbour runs on the same cores.
const (
	BootLimit = 5 * time.Minute
	WorkLimit = 8 * time.Minute
)

// codePattern is the agent's line with the code that a technician compares.
var codePattern = regexp.MustCompile(`^ardoise: code ([0-9]{6})`)

// Computers lists what the daemon knows.
func (s *School) Computers(ctx context.Context) ([]access.Computer, error) {
	var list []access.Computer
	return list, s.Ask(ctx, &list, "computer", "list")
}

// Find returns what the daemon knows of a PC, found by its MAC address.
func (s *School) Find(ctx context.Context, pc *PC) (access.Computer, error) {
	list, err := s.Computers(ctx)
	if err != nil {
		return access.Computer{}, err
	}
	for _, c := range list {
		if slices.ContainsFunc(c.MACs, func(mac string) bool { return strings.EqualFold(mac, pc.MAC) }) {
			return c, nil
		}
	}
	return access.Computer{}, fmt.Errorf("the daemon does not know %s (%s) among %d computers", pc.Name, pc.MAC, len(list))
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
	return s.DeployAll(ctx, master, []*PC{pc}, ending)
}

// DeployAll orders a master for several PCs at once, in one job, and returns its id.
func (s *School) DeployAll(ctx context.Context, master string, pcs []*PC, ending string) (string, error) {
	args := []string{"deploy", master, "--end", ending, "--countdown", "0", "--yes"}
	for _, pc := range pcs {
		args = append(args, "--computer", pc.Name)
	}
	var job access.Job
	err := s.Ask(ctx, &job, args...)
	return job.ID, err
}

// Job asks how a job goes.
func (s *School) Job(ctx context.Context, id string) (access.Job, error) {
	var job access.Job
	return job, s.Ask(ctx, &job, "job", "show", id)
}

// Done waits until the only task of a job is over and returns it.
func (s *School) Done(ctx context.Context, id string, limit time.Duration) (access.Task, error) {
	job, err := s.AllDone(ctx, id, limit)
	if err == nil && len(job.Tasks) != 1 {
		err = fmt.Errorf("job %s has %d tasks, want 1", id, len(job.Tasks))
	}
	if err != nil {
		return access.Task{}, err
	}
	return job.Tasks[0], nil
}

// AllDone waits until all tasks of a job are done, and returns it. One that failed ends the wait.
func (s *School) AllDone(ctx context.Context, id string, limit time.Duration) (access.Job, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		job, err := s.Job(ctx, id)
		if err != nil {
			return job, err
		}
		done := 0
		for _, task := range job.Tasks {
			switch task.State {
			case "done":
				done++
			case "failed", "cancelled":
				return job, fmt.Errorf("task %s %s: %+v", task.ID, task.State, task.Outcome)
			}
		}
		if done == len(job.Tasks) {
			return job, nil
		}
		select {
		case <-ctx.Done():
			return job, fmt.Errorf("job %s: %d of %d tasks are done: %w", id, done, len(job.Tasks), ctx.Err())
		case <-time.After(500 * time.Millisecond):
		}
	}
}
