package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/cache"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/sign"
)

const (
	// aloneCountdown is the last chance before a reset that was chosen in the menu, seconds: the menu was one already.
	aloneCountdown = 3
	// proofPatience is how long the end of a reset waits for a server to tell it to, seconds.
	proofPatience = 5
)

// aloneError says why a reset cannot be done without the server. Nothing that would not be there without it was written,
// or the mark stands.
type aloneError struct{ err error }

// Error implements error.
func (e *aloneError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *aloneError) Unwrap() error { return e.err }

func aloneBecause(format string, args ...any) error { return &aloneError{fmt.Errorf(format, args...)} }

// alone does a reset by the standing grant that lies on the disk, asking nobody. It fails with *aloneError when that is not
// possible and the server has to be asked.
func (a *agent) alone(ctx context.Context) error {
	at, g, err := a.ours()
	if err != nil {
		return err
	}
	want, err := manifest.ParseHash(g.Manifest)
	if err != nil {
		return aloneBecause("the standing grant allows no version")
	}
	if at.mark != nil {
		if a.Wish != job.WishReset && at.mark.Phase != unknownPhase && at.mark.Manifest != g.Manifest {
			return aloneBecause("what was interrupted was %s@%d, the standing grant is for %s@%d",
				at.mark.Master, at.mark.Version, g.Master, g.Version)
		}
		a.Screen.Say(notices.Resuming, fmt.Sprintf("%s@%d", g.Master, g.Version))
	}
	// The keys are those that a server proved by the fingerprint once had named. Whoever is root on this PC may have put
	// others there: see "What the local menu protects" in DESIGN.md.
	a.key, a.keyName = at.key, at.keyName
	a.trust = job.Trust{SigningKeys: at.trust.SigningKeys}
	t := job.Task{Kind: job.KindReset, Computer: g.Computer, ComputerKey: g.ComputerKey, Master: g.Master, Version: g.Version,
		Manifest: g.Manifest, Exceptions: g.Exceptions, Level: g.Level, Countdown: aloneCountdown, Ending: job.EndDisk}
	if at.mark != nil {
		t.Countdown = 0 // there is nothing left to lose
	}
	a.Screen.Computer(g.Computer)
	return a.resetAlone(ctx, at, t, want, g.Policy)
}

// unknownPhase is that of a mark that cannot be read.
const unknownPhase = "unknown"

// ours finds the one disk that is this computer's: it has a key, and a grant for that key that is signed by the site.
func (a *agent) ours() (*place, job.StandingGrant, error) {
	var found []*place
	var grant job.StandingGrant
	why := errors.New("no disk of this computer has a place for it")
	for i := range a.places {
		p := &a.places[i]
		g, err := p.allows()
		if err != nil {
			why = err
			continue
		}
		found, grant = append(found, p), g
	}
	switch len(found) {
	case 0:
		return nil, grant, &aloneError{why}
	case 1:
	default:
		var list []job.Disk
		for _, p := range found {
			list = append(list, p.disk)
		}
		return nil, grant, &FaultError{Code: notices.SeveralOurs, Args: []any{describe(list)}}
	}
	if grant.Policy == job.PolicyNever {
		return nil, grant, aloneBecause("the room's rule is that its computers are not reset")
	}
	return found[0], grant, nil
}

// allows returns the grant of a place if it can be believed.
func (p *place) allows() (job.StandingGrant, error) {
	switch {
	case p.key == nil:
		return job.StandingGrant{}, errors.New("the disk has no key of this computer")
	case p.grant == nil:
		return job.StandingGrant{}, errors.New("the disk has no standing grant")
	case p.trust == nil:
		return job.StandingGrant{}, errors.New("the disk does not know the keys of the site")
	}
	g, err := readGrant(p.trust.SigningKeys, *p.grant)
	if err == nil && g.ComputerKey != p.keyName {
		err = fmt.Errorf("the standing grant is for another computer (%s)", notices.Printable(g.Computer, 40))
	}
	return g, err
}

// readGrant checks the signature of a grant before it reads it.
func readGrant(keys []string, e job.Envelope) (job.StandingGrant, error) {
	var g job.StandingGrant
	if err := sign.Verify(keys, e.Key, job.ContextGrant, e.Payload, e.Signature); err != nil {
		return g, fmt.Errorf("the standing grant is not to be believed: %w", err)
	}
	if err := json.Unmarshal(e.Payload, &g); err != nil {
		return g, fmt.Errorf("the standing grant cannot be read: %w", err)
	}
	return g, nil
}

// resetAlone does the work on the disk that was found.
func (a *agent) resetAlone(ctx context.Context, at *place, t job.Task, want manifest.Hash, policy job.Policy) error {
	course := resetCourse()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := newProgress(a, t, course.words, cancel)
	p.alone = true
	a.Screen.Say(notices.Checking, version(t))
	p.step(0)
	open, err := a.openPlace(at)
	if err != nil {
		return err
	}
	defer func() { _ = open.Close() }()
	if at.mark != nil {
		a.resumeNext(open, true) // GRUB has forgotten it when it started us
	}
	c, m, err := a.complete(open, want)
	if err != nil {
		return err
	}
	p.step(course.countdown)
	if err := a.countdown(ctx, t, at.disk); err != nil {
		return err
	}
	p.step(course.look)
	a.Screen.Say(course.says, version(t))
	a.Screen.Busy(true)
	defer a.Screen.Busy(false)
	e := &errand{t: t, m: m, target: at.disk, d: watch(open), cache: c, p: p, course: course, origin: originMenu, offline: true}
	if policy == job.PolicyStart {
		e.origin = originStart
	}
	o, err := a.bring(ctx, e)
	var source *restore.SourceError
	switch {
	case errors.As(err, &source):
		a.Screen.Say(notices.CacheBad, strings.TrimSuffix(client.Reason(err), "."))
		return &aloneError{source.Err}
	case err != nil:
		a.Screen.Note("failed reset %s", version(t))
		return err
	}
	p.step(course.end + 1)
	a.Screen.Note("done reset %s written=%d read=%d cached=%d seconds=%.1f", version(t), o.WrittenBytes, o.ReadBytes,
		e.proof.FromCache, e.proof.Seconds)
	a.clean(p.proof)
	return nil
}

// complete opens the cache and the manifest in it, and finds every chunk there: a disk must not be broken that nobody can
// make whole.
func (a *agent) complete(d *disk.Disk, want manifest.Hash) (*cache.Cache, *manifest.Manifest, error) {
	c, err := openCache(d)
	if err != nil {
		return nil, nil, &aloneError{err}
	}
	m, err := a.cached(c, want)
	if err != nil {
		return nil, nil, aloneBecause("its master is not in store: %w", err)
	}
	if lacks := c.Covers(m); !lacks.Complete() {
		return nil, nil, aloneBecause("%d MB of its master are not in store", (lacks.MissingBytes+999_999)/1_000_000)
	}
	return c, m, nil
}

// openPlace opens the disk of a place for writing. Its name may belong to another one by now: it must still be the disk
// that was looked at, with our key.
func (a *agent) openPlace(at *place) (*disk.Disk, error) {
	d, err := disk.Open(at.disk.Path, disk.Mode{Read: true, Write: true})
	if err != nil {
		return nil, fault(notices.DiskBusy, err)
	}
	disks, err := a.PC.Disks()
	same := false
	for _, now := range disks {
		same = same || now == at.disk
	}
	if err == nil && same {
		var ours *disk.Ardoise
		if ours, err = ardoise(d); err == nil {
			var content []byte
			if content, err = ours.Key().Load(); err == nil {
				same = keyed(content, at.keyName)
			}
		}
	}
	if err == nil && !same {
		err = errors.New("it is another disk now")
	}
	if err != nil {
		err = &FaultError{Code: notices.DiskChanged, Args: []any{describe([]job.Disk{at.disk}), err}, Err: err}
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// keyed tells whether content is the key with a name.
func keyed(content []byte, name string) bool {
	k, err := client.ParseKey(content)
	if err != nil {
		return false
	}
	got, err := client.KeyName(k)
	return err == nil && got == name
}
