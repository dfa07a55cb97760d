package access

import (
	"context"

	"github.com/ardoise/ardoise/fleet/people"
)

// ForgetComputer removes the record of a computer, with its key, its grant, its token and its label: one that comes back is
// new. It is refused while a task of it runs; what waits for it is cancelled. The answer is the record as it was.
func (d Desk) ForgetComputer(ctx context.Context, ref string) (Computer, error) {
	return change(ctx, d, deed{action: "computer forget", what: ref}, func(e *deed) (Computer, error) {
		c, err := d.findFor(people.ActionComputer, ref, e)
		if err != nil {
			return Computer{}, err
		}
		was := d.wire(c)
		_, err = d.h.Fleet.Forget(ctx, c.ID, d.by())
		return was, err
	})
}
