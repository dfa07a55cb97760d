package fleet

import (
	"cmp"
	"context"
	"encoding/hex"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/imaging/job"
)

// Script is a text that computers may run in the boot environment once two people have looked at it.
type Script struct {
	Hash       string // BLAKE3-256 of the text, hexadecimal: the id
	Name       string
	Text       string
	By         string // who wrote it
	ApprovedBy string // "": nobody yet
	Limit      int    // seconds that it may run
	Writes     bool   // it may change the disk: what a computer runs is not proven afterwards
	Created    time.Time
}

const maxScripts = 200

// AddScript keeps a script. It must be approved before a computer runs it. Who may do this is for the caller to say.
func (f *Fleet) AddScript(ctx context.Context, s Script) (Script, error) {
	if s.Name = strings.TrimSpace(s.Name); s.Name == "" || Clean(s.Name, maxTitle) != s.Name {
		return s, refuse(CodeBadScript, Clean(s.Name, 64), "its name has 1 to %d characters, all of them printable", maxTitle)
	}
	switch {
	case s.Text == "" || len(s.Text) > job.MaxScript:
		return s, refuse(CodeBadScript, s.Name, "its text has 1 to %d bytes, not %d", job.MaxScript, len(s.Text))
	case !utf8.ValidString(s.Text) || strings.ContainsRune(s.Text, 0):
		return s, refuse(CodeBadScript, s.Name, "it is no text in UTF-8")
	case s.Limit < 1 || s.Limit > job.MaxScriptLimit:
		return s, refuse(CodeBadScript, s.Name, "it may run 1 to %d seconds, not %d", job.MaxScriptLimit, s.Limit)
	}
	sum := blake3.Sum256([]byte(s.Text))
	s.Hash, s.By, s.ApprovedBy, s.Created = hex.EncodeToString(sum[:]), Clean(s.By, 64), "", f.o.Now().UTC()
	f.deciding.Lock()
	defer f.deciding.Unlock()
	if old, known := f.scripts[s.Hash]; known {
		return old, refuse(CodeBadScript, s.Name, "the same text is kept already as %s", old.Name)
	}
	if len(f.scripts) >= maxScripts {
		return s, refuse(CodeBadScript, s.Name, "there are %d scripts already", maxScripts)
	}
	e := f.event("script", Info, Computer{}, Task{}, "%s, %s, was added by %s", s.Name, short(s.Hash), s.By)
	return s, f.commit(ctx, Change{Scripts: []Script{s}, Events: []Event{e}})
}

// ApproveScript lets computers run a script. alone says that there is no other administrator than by: only then may who
// wrote it approve it.
func (f *Fleet) ApproveScript(ctx context.Context, hash, by string, alone bool) (Script, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	s, ok := f.scripts[fold(hash)]
	by = Clean(by, 64)
	switch {
	case !ok:
		return s, refuse(CodeNoScript, Clean(hash, 64), "")
	case s.ApprovedBy != "":
		return s, nil
	case s.By == by && !alone:
		return s, refuse(CodeOwnScript, s.Name, "%s wrote it", by)
	}
	s.ApprovedBy = by
	e := f.event("script", Info, Computer{}, Task{}, "%s, %s, was approved by %s", s.Name, short(s.Hash), by)
	return s, f.commit(ctx, Change{Scripts: []Script{s}, Events: []Event{e}})
}

// Scripts lists the scripts, by name.
func (f *Fleet) Scripts() []Script {
	f.mu.RLock()
	defer f.mu.RUnlock()
	out := []Script{}
	for _, s := range f.scripts {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Script) int {
		return cmp.Or(cmp.Compare(fold(a.Name), fold(b.Name)), cmp.Compare(a.Hash, b.Hash))
	})
	return out
}

// Script returns a script by its hash.
func (f *Fleet) Script(hash string) (Script, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	s, ok := f.scripts[fold(hash)]
	if !ok {
		return s, refuse(CodeNoScript, Clean(hash, 64), "")
	}
	return s, nil
}

// ForgetScript removes a script that no job and no schedule is about to run.
func (f *Fleet) ForgetScript(ctx context.Context, hash, by string) (Script, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	s, ok := f.scripts[fold(hash)]
	if !ok {
		return s, refuse(CodeNoScript, Clean(hash, 64), "")
	}
	var users []string
	for _, ids := range f.active {
		for _, id := range ids {
			if j := f.jobs[f.tasks[id].Job]; j.Kind == job.KindScript && j.Script.Hash == s.Hash && !slices.Contains(users, "job "+j.ID) {
				users = append(users, "job "+j.ID)
			}
		}
	}
	for _, x := range f.schedules {
		if x.Order.Script == s.Hash {
			users = append(users, "schedule "+x.Name)
		}
	}
	if slices.Sort(users); len(users) > 0 {
		return s, refuse(CodeScriptNeeded, s.Name, "%s", someOf(users))
	}
	e := f.event("script", Info, Computer{}, Task{}, "%s, %s, was forgotten by %s", s.Name, short(s.Hash), Clean(by, 64))
	return s, f.commit(ctx, Change{Removed: []Record{{RecordScript, s.Hash}}, Events: []Event{e}})
}

// RunningScript returns the script that the running task of the computer with this key names, and nothing else.
func (f *Fleet) RunningScript(key string) (Script, error) {
	j, t, err := f.Running(key)
	if err != nil {
		return Script{}, err
	}
	if j.Kind != job.KindScript {
		return Script{}, refuse(CodeNoTask, t.ID, "it runs no script")
	}
	return f.Script(j.Script.Hash)
}
