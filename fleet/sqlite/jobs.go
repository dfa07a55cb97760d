package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

var _ fleet.Archive = (*Store)(nil)

// OldJobs implements fleet.Archive. A job's state lies in its tasks, which are read whole, so pages are small.
func (s *Store) OldJobs(ctx context.Context, q fleet.JobQuery) ([]fleet.JobState, error) {
	where, args := []string{"1"}, []any{}
	add := func(condition string, x any) { where, args = append(where, condition), append(args, x) }
	if q.ID != "" {
		add("id = ?", q.ID)
	}
	if q.Before > 0 {
		add("number < ?", q.Before)
	}
	if q.Kind != "" {
		add("doc ->> '$.Kind' = ?", string(q.Kind))
	}
	if q.Computers != nil {
		add("id IN (SELECT job FROM tasks WHERE computer IN (SELECT value FROM json_each(?)))", array(q.Computers))
	}
	switch of := "id IN (SELECT job FROM tasks WHERE doc ->> '$.State' = "; q.Task {
	case "":
	case job.TaskFailed, job.TaskCancelled: // the text of their indexes
		where = append(where, of+"'"+q.Task+"')")
	default:
		add(of+"?)", q.Task)
	}
	jobs, err := load[fleet.Job](ctx, s.read, "SELECT doc FROM jobs WHERE "+strings.Join(where, " AND ")+" ORDER BY number DESC LIMIT ?",
		append(args, q.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("reading jobs: %w", err)
	}
	out, place := make([]fleet.JobState, len(jobs)), map[string]int{}
	ids := make([]string, len(jobs))
	for i, j := range jobs {
		out[i].Job, place[j.ID], ids[i] = j, i, j.ID
	}
	tasks, err := load[fleet.Task](ctx, s.read, "SELECT doc FROM tasks WHERE job IN (SELECT value FROM json_each(?))", array(ids))
	if err != nil {
		return nil, fmt.Errorf("reading tasks: %w", err)
	}
	slices.SortFunc(tasks, func(a, b fleet.Task) int { // 2-10 after 2-9
		return cmp.Or(cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID))
	})
	for _, t := range tasks {
		j := &out[place[t.Job]]
		j.Tasks = append(j.Tasks, t)
	}
	return out, nil
}
