package fleet

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"

	"github.com/ardoise/ardoise/imaging/job"
)

// Archive has the jobs that are not in memory any more.
type Archive interface {
	// OldJobs returns stored jobs with all their tasks, newest first.
	OldJobs(ctx context.Context, q JobQuery) ([]JobState, error)
}

// JobQuery chooses jobs; zero fields do not restrict.
type JobQuery struct {
	ID        string
	Before    int // jobs with lower numbers than this
	Kind      job.Kind
	Computers []string // ids: jobs with a task of one of these; nil: all
	Task      string   // state of a task: jobs with one in it
	Active    bool     // jobs that are not over: memory has them all
	Limit     int      // of OldJobs: at most so many
}

// matcher returns what tells whether a job in memory is one of those that are asked for.
func (q JobQuery) matcher() func(JobState) bool {
	among := map[string]bool{}
	for _, id := range q.Computers {
		among[id] = true
	}
	return func(j JobState) bool {
		has := func(what func(Task) bool) bool { return slices.ContainsFunc(j.Tasks, what) }
		return (q.ID == "" || j.Job.ID == q.ID) && (q.Before == 0 || jobNumber(j.Job.ID) < q.Before) && (q.Kind == "" || j.Job.Kind == q.Kind) &&
			(q.Computers == nil || has(func(t Task) bool { return among[t.Computer] })) && (q.Task == "" || has(func(t Task) bool { return t.State == q.Task })) && (!q.Active || j.Active())
	}
}

// jobNumber is the number of a job; 0 for what is none.
func jobNumber(id string) int {
	n, err := strconv.Atoi(id)
	if err != nil || n < 1 || strconv.Itoa(n) != id {
		return 0
	}
	return n
}

// FindJob returns one job: as it is in memory, else as it was kept.
func (f *Fleet) FindJob(ctx context.Context, id string) (JobState, error) {
	j, err := f.JobByID(id)
	if err == nil || f.o.Archive == nil || jobNumber(id) == 0 {
		return j, err
	}
	old, failed := f.o.Archive.OldJobs(ctx, JobQuery{ID: id, Limit: 1})
	switch {
	case failed != nil:
		return j, fmt.Errorf("reading job %d: %w", jobNumber(id), failed)
	case len(old) == 0:
		return j, err
	}
	return old[0], nil
}

// historyPage is how many jobs History reads from the store at once.
const historyPage = 100

// History yields the jobs of a query, newest first: those in memory as they are, then those that were kept, page by page.
// Memory has all that are newer than some job, and of those before it the ones that are not over.
func (f *Fleet) History(ctx context.Context, q JobQuery) iter.Seq2[JobState, error] {
	return func(yield func(JobState, error) bool) {
		matches := q.matcher()
		all := f.o.Archive == nil || q.Active // of them are in memory
		f.mu.RLock()
		whole := f.whole
		ids := slices.SortedFunc(maps.Keys(f.jobs), func(a, b string) int { return compareNumbers(b, a) })
		f.mu.RUnlock()
		for _, id := range ids {
			if !all && jobNumber(id) <= whole {
				break // from here on the store has others between them
			}
			j, err := f.JobByID(id)
			if err != nil && all {
				continue
			}
			if err != nil { // it was dropped meanwhile, with all before it
				whole = jobNumber(id)
				break
			}
			if matches(j) && !yield(j, nil) {
				return
			}
		}
		if all {
			return
		}
		if q.Limit = historyPage; q.Before == 0 || q.Before > whole+1 {
			q.Before = whole + 1
		}
		for q.Before > 1 {
			page, err := f.o.Archive.OldJobs(ctx, q)
			if err != nil {
				yield(JobState{}, fmt.Errorf("reading old jobs: %w", err))
				return
			}
			for _, old := range page {
				q.Before = jobNumber(old.Job.ID)
				if now, err := f.JobByID(old.Job.ID); err == nil {
					old = now // with what its tasks tell of themselves, which is not kept
				}
				if !yield(old, nil) {
					return
				}
			}
			if len(page) < q.Limit {
				return
			}
		}
	}
}
