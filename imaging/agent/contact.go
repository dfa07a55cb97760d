package agent

import (
	"context"
	"slices"

	"github.com/ardoise/ardoise/imaging/disk"
)

// contact puts right, once in a life, what this computer starts from its own disk: menu, boot files, grant and the keys of
// the site. It is done where nothing else is to be done, or was: a deploy or reset does it at its end. A disk that is
// unfinished is left alone.
func (a *agent) contact(ctx context.Context) {
	if a.contacted || a.mark != nil {
		return
	}
	a.contacted = true
	for _, p := range a.places {
		if p.keyName != a.keyName {
			continue // another computer's disk
		}
		if err := a.refreshPlace(ctx, p); err != nil {
			a.Screen.Note("place on %s: %v", p.disk.Path, err)
		}
	}
}

func (a *agent) refreshPlace(ctx context.Context, p place) error {
	return p.change(func(open *disk.Disk, ours *disk.Ardoise) error {
		// The site may have replaced its keys since: without the new one the next grant would not be believed.
		if want := a.learned(); p.trust == nil || p.trust.CA != want.CA || !slices.Equal(p.trust.SigningKeys, want.SigningKeys) {
			if err := ours.Trust().Store(want); err != nil {
				return err
			}
		}
		a.startMenu(ctx, open)
		a.tellLocal(ctx, open, a.cacheOf(open))
		return nil
	})
}

// learned is what is kept of the server that was proven.
func (a *agent) learned() disk.Trust {
	return disk.Trust{CA: a.fingerprint(), SigningKeys: a.trust.SigningKeys, StageTwo: a.trust.StageTwo}
}
