package fleet

import (
	"context"
	"fmt"

	"github.com/ardoise/ardoise/imaging/job"
)

// Forget removes the record of a computer, and with it its key, its grant, its token, its label and its place in its room:
// one that comes back is new, and waits for approval. What waits for it is cancelled; while a task of it runs it is refused.
// What it did stays in the reports of its jobs, under its id.
func (f *Fleet) Forget(ctx context.Context, ref, by string) (Computer, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	c, err := f.Find(ref)
	if err != nil {
		return c, err
	}
	kept, ok := f.computers.get(c.ID)
	if !ok {
		return c, refuse(CodeNotEnrolled, c.Name, "it is %s", c.Shown())
	}
	by = Clean(by, 64)
	change := Change{Forgotten: []string{c.ID}, Rooms: f.withdraw(map[string]map[string]bool{fold(c.Room): {c.ID: true}})}
	for _, id := range f.active[c.ID] {
		t := f.tasks[id]
		if t.State == job.TaskRunning {
			return c, refuse(CodeBusy, c.Name, "task %s is %s", t.ID, t.State)
		}
		t, gone := f.ended(kept, t, job.TaskCancelled, &job.Outcome{Code: OutcomeCancelled,
			Detail: fmt.Sprintf("cancelled by %s, who removed the record of its computer", by)})
		change.Tasks, change.Events = append(change.Tasks, t), append(change.Events, gone.Events...)
	}
	change.Events = append(change.Events, f.event("forgotten", Warning, kept, Task{}, "the record of %s was removed by %s", kept.Name, by))
	if err := f.commit(ctx, change); err != nil {
		return c, err
	}
	return kept, nil
}
