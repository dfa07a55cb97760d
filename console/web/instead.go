package web

import (
	"net/http"

	"github.com/ardoise/ardoise/console/access"
)

// planWith says what an order would do, with what would give way to it told apart from what is refused. For whom other
// people's orders do not give way, as a technician's does not for a teacher, they are in the way, and the page says so.
func (v *visit) planWith(o access.Order) (access.Plan, error) {
	o.Instead = true
	plan, err := v.Desk.Plan(o)
	if err != nil && access.ErrorOf(err).Status == http.StatusForbidden {
		o.Instead = false
		return v.Desk.Plan(o)
	}
	return plan, err
}
