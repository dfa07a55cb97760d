package web

import (
	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/notices"
)

// outcome says why a task did not succeed and what to do now, in the person's language. What is foreign in it is
// marked; templates print it with said.
func (t tongue) outcome(o *access.Outcome) (why, what string) {
	text := notices.MarkedOutcome(notices.Language(t.lang), o.Code, o.Detail)
	return text.What, text.Do
}
