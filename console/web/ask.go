package web

import (
	"strings"

	"github.com/ardoise/ardoise/console/access"
)

// ask is a button that asks before it acts: with a sentence that says what will be, and names what is lost.
type ask struct {
	ID, Label, Icon string
	Class           string // of the button that asks
	Title, Says     string
	List            []string // what else a person should read first
	Action, Do      string   // where it is sent, and what the button says that does it
	Hidden          []option // what is sent along
	Typed           string   // words that have to be typed
	Safe            bool     // it destroys nothing
	More            string   // address of a sentence that takes long to find; "": none
}

// done ends a change: with a message and on to a page. A refusal is told there, too; what is not there, or not allowed, and
// what went wrong on our side have pages of their own.
func (v *visit) done(err error, to, key string, args ...any) error {
	if err != nil {
		if e := access.ErrorOf(err); e.Status >= 500 || e.Status == 404 || e.Status == 403 {
			return err
		}
		v.warn(err)
		return v.seeOther(to)
	}
	v.flash(key, args...)
	return v.seeOther(to)
}

// refused puts a refusal into a form, at the field that it names, else at another, so that the page can be shown again; other
// errors come back.
func (v *visit) refused(f *Form, field string, err error) error {
	e := access.ErrorOf(err)
	if e.Status >= 500 || e.Status == 404 || e.Status == 403 {
		return err
	}
	if e.Field != "" {
		field = e.Field
	}
	what, do := v.notice(e)
	f.Fail(field, strings.TrimSpace(what+" "+do))
	return nil
}
