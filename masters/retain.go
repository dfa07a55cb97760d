package masters

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// MaxKeepLast is the most versions that a rule can count.
const MaxKeepLast = 10_000

// Rule says which versions of a master stay by themselves; the daemon forgets the others, every night.
type Rule struct {
	KeepLast int // so many of the newest; 0: there is no rule, all stay
	At       time.Time
	By       string
}

// Kept is what a retention rule says of one version.
type Kept struct {
	Version Version
	Why     []string // why it stays; empty: it is forgotten
}

func checkRule(keepLast int) error {
	if keepLast < 1 || keepLast > MaxKeepLast {
		return &RuleError{Reason: fmt.Sprintf("a rule keeps the last 1 to %d versions, not %d", MaxKeepLast, keepLast)}
	}
	return nil
}

// SetRule gives a master its retention rule, or takes it away where keepLast is 0. It fails with *RuleError, *UnknownError
// when there never was such a master, *AboutError when what is kept beside its versions cannot be believed.
func (l *Library) SetRule(name string, keepLast int, by string) (Rule, error) {
	if err := CheckName(name); err != nil {
		return Rule{}, err
	}
	if err := checkRule(keepLast); err != nil && keepLast != 0 {
		return Rule{}, err
	}
	l.publishing.Lock()
	defer l.publishing.Unlock()
	rule := Rule{KeepLast: keepLast, At: l.moment(), By: by}
	return rule, l.edit(name, func(r *record) error {
		r.Rule = rule
		return nil
	})
}

// Retain says which versions of a master a rule keeps: the last sound ones, those that channels point at or would go
// back to, those that users names, and damaged ones, which a backup may heal. Unless dry, the others are forgotten. On
// an error it returns what was decided; some of it may have been done.
func (l *Library) Retain(name string, keepLast int, by string, users func(Version) []string, dry bool) ([]Kept, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if err := checkRule(keepLast); err != nil {
		return nil, err
	}
	l.publishing.Lock()
	defer l.publishing.Unlock()
	return l.retain(name, keepLast, by, users, dry)
}

// retain is Retain. Call with publishing held.
func (l *Library) retain(name string, keepLast int, by string, users func(Version) []string, dry bool) ([]Kept, error) {
	about, err := l.About(name)
	if err != nil {
		return nil, err
	}
	if about.Damaged != "" {
		return nil, &AboutError{Name: name, Err: errors.New(about.Damaged)}
	}
	kept := l.judge(name, keepLast, about.Channels, users)
	for _, k := range kept {
		if len(k.Why) > 0 || dry {
			continue
		}
		if err := l.forget(k.Version, by); err != nil {
			return kept, err
		}
	}
	return kept, nil
}

// judge tells of each version why it stays, oldest first.
func (l *Library) judge(name string, last int, channels []Channel, users func(Version) []string) []Kept {
	l.mu.RLock()
	versions := slices.Clone(l.versions[name])
	l.mu.RUnlock()
	kept := make([]Kept, 0, len(versions))
	for _, v := range slices.Backward(versions) { // newest first, to count the last ones
		k := Kept{Version: v}
		switch {
		case v.Damaged != "":
			k.Why = append(k.Why, "damaged: a backup may heal it")
		case last > 0:
			k.Why = append(k.Why, "among the last")
			last--
		}
		for _, c := range channels {
			switch v.Number {
			case c.Version:
				k.Why = append(k.Why, "channel "+c.Name)
			case c.Before:
				k.Why = append(k.Why, "channel "+c.Name+" would go back to it")
			}
		}
		k.Why = append(k.Why, askUsers(users, v)...)
		kept = append(kept, k)
	}
	slices.Reverse(kept)
	return kept
}

// Ruled is what the rule of one master has done.
type Ruled struct {
	Name      string
	Rule      Rule
	Forgotten []Version
	Err       error // why it could not be done, or not all of it
}

// ApplyRules does what the rules say that were set before the moment given, master by master: one that cannot be judged
// keeps all its versions and does not stop the others. users is as for Forget.
func (l *Library) ApplyRules(before time.Time, by string, users func(Version) []string) []Ruled {
	l.publishing.Lock() // a rule that is taken away meanwhile would still be followed
	defer l.publishing.Unlock()
	l.mu.RLock()
	var all []Ruled
	for name, a := range l.abouts {
		switch {
		case a.damaged != nil && len(l.versions[name]) > 0:
			all = append(all, Ruled{Name: name, Err: &AboutError{Name: name, Err: a.damaged}})
		case a.Rule.KeepLast > 0 && a.Rule.At.Before(before):
			all = append(all, Ruled{Name: name, Rule: a.Rule})
		}
	}
	l.mu.RUnlock()
	for i, r := range all {
		if r.Err != nil {
			continue
		}
		kept, err := l.retain(r.Name, r.Rule.KeepLast, by, users, false)
		all[i].Err = err
		for _, k := range kept {
			if len(k.Why) == 0 && l.forgottenMeanwhile(k.Version) {
				all[i].Forgotten = append(all[i].Forgotten, k.Version)
			}
		}
	}
	slices.SortFunc(all, func(a, b Ruled) int { return compareVersions(Version{Name: a.Name}, Version{Name: b.Name}) })
	return all
}

// nightHour is when a night's work may begin, local time: late orders of the evening are given by then.
const nightHour = 1

// nights tells when the work of a night is due: at the first look of each night, and of a daemon that has just begun.
// The zero value is ready.
type nights struct{ last time.Time }

// due returns when the night began in which now lies, and whether its work is still to be done. A rule that was set since
// then waits for the next one: who sets it has the day to look at what it would do.
func (n *nights) due(now time.Time) (began time.Time, due bool) {
	now = now.Local()
	began = time.Date(now.Year(), now.Month(), now.Day(), nightHour, 0, 0, 0, now.Location())
	if began.After(now) {
		began = time.Date(now.Year(), now.Month(), now.Day()-1, nightHour, 0, 0, 0, now.Location())
	}
	if began.Equal(n.last) {
		return began, false
	}
	n.last = began
	return began, true
}
