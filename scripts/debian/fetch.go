package debian

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Want is what a caller needs: packages by name, and metapackages that stand for a name with a version in it.
type Want struct {
	Packages []string
	Meta     map[string]string // metapackage -> prefix of the package it depends on: "linux-image-amd64" -> "linux-image-"
}

// Cache keeps packages by hash, and unpacked.
type Cache struct {
	Apt    Apt
	Dir    string               // holds debs/, tree/ and taken.lock
	Notice func(string, ...any) // hears of versions that are not the locked ones
}

// Fetch returns the wanted packages at their locked versions where those are served, at the release's newest where they
// are not or renew is set. The packages lie in the cache afterwards.
func (c *Cache) Fetch(ctx context.Context, want Want, lock Lock, renew bool) (Lock, error) {
	if !renew {
		if taken, ok := c.offline(want, lock); ok {
			return taken, nil
		}
	}
	if err := c.Apt.update(ctx); err != nil {
		return nil, fmt.Errorf("fetching Debian's index: %w", err)
	}
	chosen, err := c.choose(ctx, want, lock, renew)
	if err != nil {
		return nil, err
	}
	if err := c.download(ctx, chosen); err != nil {
		return nil, err
	}
	return chosen, c.remember(chosen, lock)
}

// offline answers from the cache alone: the lock itself, or what was taken in its place the last time.
func (c *Cache) offline(want Want, lock Lock) (Lock, bool) {
	if found, ok := c.complete(want, lock); ok {
		return found, true
	}
	text, err := os.ReadFile(filepath.Join(c.Dir, "taken.lock"))
	if err != nil || !strings.HasPrefix(string(text), takenHead(lock)) {
		return nil, false
	}
	taken, err := ReadLock(strings.NewReader(string(text)))
	if err != nil {
		return nil, false
	}
	found, ok := c.complete(want, taken)
	if ok {
		c.notices(found, lock)
	}
	return found, ok
}

// complete picks the wanted packages out of a lock, provided that all of them lie in the cache unharmed.
func (c *Cache) complete(want Want, lock Lock) (Lock, bool) {
	var found Lock
	names := append([]string{}, want.Packages...)
	for _, prefix := range want.Meta {
		names = append(names, lock.byPrefix(prefix))
	}
	for _, name := range names {
		e, ok := lock.Get(name)
		if !ok || fileHash(c.file(e)) != e.SHA256 {
			return nil, false
		}
		found = append(found, e)
	}
	return found, true
}

// byPrefix names the locked package that a metapackage stood for.
func (l Lock) byPrefix(prefix string) string {
	for _, e := range l {
		if strings.HasPrefix(e.Package, prefix) {
			return e.Package
		}
	}
	return ""
}

// choose settles name, version and hash of everything wanted from the signed indexes.
func (c *Cache) choose(ctx context.Context, want Want, lock Lock, renew bool) (Lock, error) {
	names := append([]string{}, want.Packages...)
	for meta, prefix := range want.Meta {
		name, err := c.standsFor(ctx, meta, prefix, lock, renew)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	newest, err := c.Apt.show(ctx, true, names...)
	if err != nil {
		return nil, err
	}
	served, err := c.Apt.show(ctx, false, names...)
	if err != nil {
		return nil, err
	}
	suites, err := c.Apt.suites(ctx, names...)
	if err != nil {
		return nil, err
	}
	if renew {
		lock = nil
	}
	chosen, err := pick(names, lock, newest, served)
	if err != nil {
		return nil, err
	}
	for i, e := range chosen {
		if suite, ok := suites[e.Package+" "+e.Version]; ok {
			chosen[i].Suite = suite
		}
	}
	if !renew {
		c.notices(chosen, lock)
	}
	return chosen, nil
}

// standsFor names the package behind a metapackage: the locked one while it is served, else the one of the day.
func (c *Cache) standsFor(ctx context.Context, meta, prefix string, lock Lock, renew bool) (string, error) {
	if name := lock.byPrefix(prefix); name != "" && !renew {
		// apt-cache fails on a name that no index holds.
		if served, err := c.Apt.show(ctx, false, name); err == nil && len(served) > 0 {
			return name, nil
		}
	}
	return c.Apt.dependency(ctx, meta, prefix)
}

// AlteredError says that the archive serves another file under a version that the lock knows.
type AlteredError struct{ Locked, Served Entry }

// Error names both hashes.
func (e *AlteredError) Error() string {
	return fmt.Sprintf("package %s %s: the archive serves sha256 %s, the lock says %s",
		e.Locked.Package, e.Locked.Version, e.Served.SHA256, e.Locked.SHA256)
}

// Hint says what to do about it.
func (e *AlteredError) Hint() string {
	return "an archive never does that: find out who altered the mirror or the lock; -update takes what is served"
}

// pick takes the locked version of each name where it is served, else the newest.
func pick(names []string, lock Lock, newest, served []Entry) (Lock, error) {
	var chosen Lock
	for _, name := range names {
		e, ok := Lock(newest).Get(name)
		if !ok {
			return nil, fmt.Errorf("package %s: not in the archive", name)
		}
		locked, isLocked := lock.Get(name)
		for _, s := range served {
			if isLocked && s.Package == name && s.Version == locked.Version {
				if s.SHA256 != locked.SHA256 {
					return nil, &AlteredError{locked, s}
				}
				e = s
			}
		}
		chosen = append(chosen, e)
	}
	return chosen, nil
}

// notices tells of each package whose version is not the locked one.
func (c *Cache) notices(chosen, lock Lock) {
	for _, e := range chosen {
		switch locked, ok := lock.Get(e.Package); {
		case !ok && len(lock) > 0:
			c.Notice("notice: %s %s is not in the lock; taken from %s, signed by Debian", e.Package, e.Version, e.Suite)
		case ok && locked.Version != e.Version:
			c.Notice("notice: %s %s is no longer served; taken: %s from %s, signed by Debian", e.Package, locked.Version, e.Version, e.Suite)
		}
	}
}

// download brings what the cache lacks.
func (c *Cache) download(ctx context.Context, chosen Lock) error {
	incoming := filepath.Join(c.Dir, "incoming")
	if err := os.RemoveAll(incoming); err != nil {
		return err
	}
	if err := os.MkdirAll(incoming, 0o755); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(c.Dir, "debs"), 0o755); err != nil {
		return err
	}
	args := []string{"-c", filepath.Join(c.Apt.Dir, "apt.conf"), "-q", "download"}
	bySum := map[string]Entry{}
	for _, e := range chosen {
		if fileHash(c.file(e)) != e.SHA256 {
			bySum[e.SHA256] = e
			args = append(args, e.Package+"="+e.Version)
		}
	}
	if len(bySum) == 0 {
		return nil
	}
	if _, err := run(ctx, incoming, "apt-get", args...); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(incoming, "*.deb"))
	if err != nil {
		return err
	}
	for _, f := range files {
		if e, ok := bySum[fileHash(f)]; ok {
			if err := os.Rename(f, c.file(e)); err != nil {
				return err
			}
			delete(bySum, e.SHA256)
		}
	}
	for _, e := range bySum {
		return fmt.Errorf("fetching %s %s: no file with sha256 %s arrived", e.Package, e.Version, e.SHA256)
	}
	return os.RemoveAll(incoming)
}

// remember notes what was taken under this lock, so that the next run needs no archive.
func (c *Cache) remember(taken, lock Lock) error {
	var b strings.Builder
	b.WriteString(takenHead(lock))
	if err := taken.Write(&b); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.Dir, "taken.lock"), []byte(b.String()), 0o644)
}

// takenHead is the first line of taken.lock: which lock it answers.
func takenHead(lock Lock) string {
	var b strings.Builder
	lock.Write(&b) // a Builder takes everything
	return fmt.Sprintf("# taken under the lock with sha256 %x\n", sha256.Sum256([]byte(b.String())))
}

// file is where a package lies in the cache.
func (c *Cache) file(e Entry) string { return filepath.Join(c.Dir, "debs", e.SHA256+".deb") }

// Tree unpacks a fetched package once and returns the folder.
func (c *Cache) Tree(ctx context.Context, e Entry) (string, error) {
	tree := filepath.Join(c.Dir, "tree", e.Package+"-"+e.SHA256[:16])
	if _, err := os.Stat(tree); err == nil {
		return tree, nil
	}
	part := tree + ".part"
	if err := os.RemoveAll(part); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(part), 0o755); err != nil {
		return "", err
	}
	if _, err := run(ctx, "", "dpkg-deb", "-x", c.file(e), part); err != nil {
		return "", err
	}
	return tree, os.Rename(part, tree)
}

// fileHash is the SHA-256 of a file in hex, empty where it cannot be read.
func fileHash(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}
