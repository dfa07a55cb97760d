package fleet

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
)

// Helper is a machine in a network that the server's own packets do not get to. It wakes computers there, is told their MAC
// addresses for that, and nothing else. Its secret is not kept.
type Helper struct {
	Name    string // of all sites, in capitals or not; the id
	Site    string // whose computers it wakes; "": the site without a name
	Hash    string // of its secret: SHA-256, hexadecimal
	Created time.Time
	By      string
}

// maxHelpers is how many helpers there may be.
const maxHelpers = 500

// HelperState is a helper, and what was heard of it since this daemon was started.
type HelperState struct {
	Helper
	Reached
	Waiting int // MAC addresses that it has yet to fetch or to do
}

// Silent tells for how long nothing was heard of a helper; at the longest since it was made, or since this daemon was started.
func (f *Fleet) Silent(h HelperState) time.Duration {
	since := h.Seen
	for _, t := range []time.Time{f.opened, h.Created} {
		if h.Seen.IsZero() && t.After(since) {
			since = t
		}
	}
	return f.o.Now().Sub(since)
}

// Helpers lists the helpers, by name.
func (f *Fleet) Helpers() []HelperState {
	f.mu.RLock()
	out := make([]HelperState, 0, len(f.helpers))
	for _, h := range f.helpers {
		out = append(out, HelperState{Helper: h})
	}
	f.mu.RUnlock()
	now := f.o.Now()
	for i := range out {
		out[i].Reached, out[i].Waiting = f.errands.look(fold(out[i].Name), now)
	}
	slices.SortFunc(out, func(a, b HelperState) int { return cmp.Compare(fold(a.Name), fold(b.Name)) })
	return out
}

// AddHelper makes a helper for the computers of a site. What it proves itself by is told once.
func (f *Fleet) AddHelper(ctx context.Context, name, site, by string) (secret string, h Helper, err error) {
	raw := make([]byte, 32)
	if _, err := io.ReadFull(f.o.Rand, raw); err != nil {
		return "", h, fmt.Errorf("drawing a helper's secret: %w", err)
	}
	secret = base64.RawURLEncoding.EncodeToString(raw)
	f.deciding.Lock()
	defer f.deciding.Unlock()
	of, known := f.sites[fold(site)]
	_, taken := f.helpers[fold(name)]
	switch {
	case !validName(name):
		return "", h, refuse(CodeBadName, Clean(name, 64), "")
	case !known && site != "":
		return "", h, refuse(CodeNoSite, Clean(site, 64), "")
	case taken:
		return "", h, refuse(CodeBadHelper, name, "there is one of this name already")
	case len(f.helpers) >= maxHelpers:
		return "", h, refuse(CodeBadHelper, name, "there are %d helpers already", maxHelpers)
	}
	h = Helper{Name: name, Site: of.Name, Hash: hashToken(secret), Created: f.o.Now().UTC(), By: Clean(by, 64)}
	e := f.event("helper", Info, Computer{}, Task{}, "%s was added by %s", h.Name, h.By)
	e.Site = h.Site
	return secret, h, f.commit(ctx, Change{Helpers: []Helper{h}, Events: []Event{e}})
}

// ForgetHelper makes a helper's secret worth nothing. What it had yet to do is dropped.
func (f *Fleet) ForgetHelper(ctx context.Context, name, by string) (Helper, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	h, ok := f.helpers[fold(name)]
	if !ok {
		return h, refuse(CodeNoHelper, Clean(name, 64), "")
	}
	e := f.event("helper", Info, Computer{}, Task{}, "%s was forgotten by %s", h.Name, Clean(by, 64))
	e.Site = h.Site
	err := f.commit(ctx, Change{Removed: []Record{{RecordHelper, h.Name}}, Events: []Event{e}})
	if err == nil {
		f.errands.forget(fold(h.Name))
	}
	return h, err
}

// HelperOf returns the helper that has this secret.
func (f *Fleet) HelperOf(secret string) (Helper, error) {
	hash := hashToken(secret) // how long it takes to compare hashes tells nothing of a secret
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, h := range f.helpers {
		if h.Hash == hash {
			return h, nil
		}
	}
	return Helper{}, refuse(CodeWrongToken, "", "no helper has this secret")
}

// Errands waits for computers that the helper with this secret is to wake, until ctx ends; there are none then. What poll says
// is done is not told again, everything else is, until it has grown old.
func (f *Fleet) Errands(ctx context.Context, secret, address string, poll job.HelperPoll) ([]job.HelperWake, error) {
	h, err := f.HelperOf(secret)
	if err != nil {
		return nil, err
	}
	if err := checkPoll(h, poll); err != nil {
		return nil, err
	}
	id, address := fold(h.Name), Clean(address, 64)
	b, twice := f.errands.enter(id, f.o.Now(), Reached{Address: address, Version: Clean(poll.Version, 64), Networks: poll.Networks}, poll.Done)
	if b == nil {
		return nil, refuse(CodeTooMany, h.Name, "this helper waits several times already")
	}
	defer func() { f.errands.leave(b, ctx.Err() == context.Canceled) }()
	if twice != "" {
		if err := f.usedTwice(ctx, h, address, twice); err != nil {
			return nil, err
		}
	}
	for {
		work, changed := f.errands.next(b, f.o.Now())
		if _, err := f.HelperOf(secret); err != nil { // it was forgotten meanwhile
			return nil, err
		}
		if len(work) > 0 {
			return work, nil
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-changed:
		}
	}
}

// checkPoll refuses what no helper says.
func checkPoll(h Helper, p job.HelperPoll) error {
	bad := func(format string, args ...any) error { return refuse(CodeBadHelper, h.Name, format, args...) }
	if len(p.Networks) > job.MaxHelperNetworks || len(p.Done) > job.MaxHelperWork {
		return bad("it names at most %d networks and has done at most %d things", job.MaxHelperNetworks, job.MaxHelperWork)
	}
	for _, n := range p.Networks {
		if !n.IsValid() || !n.Addr().Is4() || n != n.Masked() || n.Bits() < widest {
			return bad("%s is no network of a room", n)
		}
	}
	return nil
}

// widest is the length of the widest network that a helper may be in.
const widest = 8

// usedTwice tells people of a key that two machines use: each takes the other's errands away.
func (f *Fleet) usedTwice(ctx context.Context, h Helper, one, other string) error {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	e := f.event("helper", Warning, Computer{}, Task{}, "the key of %s is used at %s and at %s: add a helper for each machine", h.Name, one, other)
	e.Site = h.Site
	return f.commit(ctx, Change{Events: []Event{e}})
}
