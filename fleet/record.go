package fleet

import "context"

// Record keeps an event that concerns no computer: what was done to a master. It decides nothing.
func (f *Fleet) Record(ctx context.Context, kind string, s Severity, detail string) error {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	return f.commit(ctx, Change{Events: []Event{{Time: f.o.Now().UTC(), Kind: kind, Severity: s, Site: NoSite, Detail: detail}}})
}
