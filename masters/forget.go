package masters

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ardoise/ardoise/masters/manifest"
)

// forgottenPrefix begins the name of a version's folder on its way out: no version is called so.
const forgottenPrefix = ".forgotten-"

// Forget makes a version unknown at once; the space of its chunks returns with the next collection. users names who
// needs it, besides channels; nil: nobody. It fails with *HeldError that names them all. The version's number is never
// given again. A damaged version can be forgotten too.
func (l *Library) Forget(ref, by string, users func(Version) []string) (Version, error) {
	l.publishing.Lock()
	defer l.publishing.Unlock()
	v, err := l.find(ref)
	if err != nil {
		return v, err
	}
	if holders := append(l.channelsAt(v), askUsers(users, v)...); len(holders) > 0 {
		return v, &HeldError{Version: v.String(), By: holders}
	}
	return v, l.forget(v, by)
}

func askUsers(users func(Version) []string, v Version) []string {
	if users == nil {
		return nil
	}
	return users(v)
}

// find is Resolve for who may have a damaged version.
func (l *Library) find(ref string) (Version, error) {
	r, err := ParseRef(ref)
	if err != nil {
		return Version{}, err
	}
	if r.Number == 0 {
		return Version{}, &NameError{Name: ref, Reason: "names no version: NAME@V is what can be forgotten"}
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, v := range l.versions[r.Name] {
		if v.Number == r.Number {
			return v, nil
		}
	}
	return Version{}, &UnknownError{What: ref}
}

// channelsAt names the channels that point at a version.
func (l *Library) channelsAt(v Version) []string {
	var names []string
	about, err := l.About(v.Name)
	if err != nil {
		return nil
	}
	for _, c := range about.Channels {
		if c.Version == v.Number {
			names = append(names, "channel "+c.Name)
		}
	}
	if about.Damaged != "" {
		names = append(names, "channels that cannot be read: "+about.Damaged)
	}
	return names
}

// forget writes down that the version is gone, then renames its folder, which is what makes it so, then removes it.
func (l *Library) forget(v Version, by string) error {
	err := l.edit(v.Name, func(r *record) error {
		r.Next = max(r.Next, v.Number+1)
		r.Forgotten = append(r.Forgotten, Pointing{Version: v.Number, Hash: v.Hash, At: l.moment(), By: by})
		r.Notes = slices.DeleteFunc(slices.Clone(r.Notes), func(n Note) bool { return n.Version == v.Number })
		return nil
	})
	if err != nil {
		return err
	}
	gone := filepath.Join(l.dir, "masters", v.Name, fmt.Sprintf("%s%06d", forgottenPrefix, v.Number))
	err = l.clean(gone)
	if err == nil {
		err = l.fs.Rename(l.folder(v.Name, v.Number), gone)
	}
	if err != nil {
		return fmt.Errorf("forgetting %s: %w", v, err)
	}
	l.mu.Lock()
	l.versions[v.Name] = slices.DeleteFunc(slices.Clone(l.versions[v.Name]), func(x Version) bool { return x.Number == v.Number })
	if known, ok := l.byHash[v.Hash]; ok && known == v {
		delete(l.byHash, v.Hash)
	}
	l.mu.Unlock()
	// Until this is durable a power cut may bring the version back, whole: its chunks must not go before.
	if err := l.fs.SyncDir(filepath.Dir(gone)); err != nil {
		return fmt.Errorf("forgetting %s: %w", v, err)
	}
	if err := l.removeVersion(gone); err != nil {
		return fmt.Errorf("removing what is left of %s: %w", v, err)
	}
	return nil
}

// wasForgotten tells whether a number was given to another version once.
func (r record) wasForgotten(number int, hash manifest.Hash) bool {
	if number >= r.Next {
		return false
	}
	return slices.ContainsFunc(r.Forgotten, func(p Pointing) bool { return p.Version == number && p.Hash != hash })
}

// leftover tells whether a name in a master's folder is of a version that is none any more, or not yet.
func leftover(name string) bool { return name == tempName || strings.HasPrefix(name, forgottenPrefix) }
