package fleet

import "github.com/ardoise/ardoise/imaging/job"

// Giving judges the offer of the computer with this key to give others chunks of what its task was just proven to have
// put on its disk. It returns the manifest's hash, hexadecimal, and whether somebody has still use for it: another
// computer deploys the same now, and this one has nothing to do itself.
func (f *Fleet) Giving(key, task string) (manifest string, wanted bool, err error) {
	c, err := f.Authorise(key)
	if err != nil {
		return "", false, err
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	c, _ = f.computers.get(c.ID)
	t, ok := f.tasks[task]
	if !ok || t.Computer != c.ID {
		return "", false, refuse(CodeNotYours, Clean(task, 32), "")
	}
	j := f.jobOf(t)
	_, busy := f.activeOf(c.ID)
	switch {
	case !Destroys(j.Kind) || t.State != job.TaskDone:
		return "", false, refuse(CodeNoTask, Clean(task, 32), "it is no deployment or reset that is done")
	case busy:
		return j.Manifest, false, nil
	case c.Runs == nil || c.Runs.Task != t.ID:
		return "", false, refuse(CodeNoTask, Clean(task, 32), "its disk may not hold any more what this task put there")
	}
	for _, ids := range f.active {
		for _, id := range ids {
			other := f.tasks[id]
			if other.State == job.TaskRunning && f.jobOf(other).Manifest == j.Manifest {
				return j.Manifest, true, nil
			}
		}
	}
	return j.Manifest, false, nil
}
