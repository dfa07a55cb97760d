package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/notices"
	"github.com/ardoise/ardoise/fleet/people"
)

// auditPage is how many entries a page of the audit log has.
const auditPage = 100

// auditView is a page of the audit log.
type auditView struct {
	Form      *Form
	Entries   []auditLine
	First     string // address of the first page; "" on it
	Next      string
	MayVerify bool
	State     *access.AuditState // of the chain, where it was asked for
	Whole     int                // entries of it
	VerifyURL string
}

// auditLine is an entry in the words of a person, with its result as a badge.
type auditLine struct {
	access.AuditEntry
	Deed string // what was done
	Mark badge
}

// auditLine says an entry in the language of the person. What was done, and to what, programs are told in English.
func (t tongue) auditLine(e access.AuditEntry) auditLine {
	out := auditLine{AuditEntry: e, Mark: t.result(e.Result)}
	key := "deed." + strings.ReplaceAll(e.Action, " ", ".")
	if out.Deed = t.say(key); out.Deed == key {
		out.Deed = e.Action
	}
	out.What, out.Detail = notices.Thing(notices.Language(t.lang), e.What), t.in("audit", e.Detail)
	if e.Action == "job order" { // which says more than a name
		out.What = notices.Plain(t.in(e.Action, e.What))
	}
	return out
}

// showAudit lists who did what, and how it ended.
func (c *console) showAudit(v *visit) error {
	q := v.r.URL.Query()
	f := newForm(v.tongue, q)
	filter := access.AuditFilter{Who: f.Text("who", 100, false), Action: f.Text("action", 100, false), What: f.Text("what", 500, false),
		Since: v.dayOf(f, "since"), Until: v.dayOf(f, "until"), Limit: auditPage + 1}
	if !filter.Until.IsZero() {
		filter.Until = filter.Until.AddDate(0, 0, 1) // the day itself counts
	}
	filter.Before, _ = strconv.ParseInt(q.Get("before"), 10, 64) // what is no number is the first page
	view := auditView{Form: f, MayVerify: v.whole(people.ActionAudit)}
	status := http.StatusOK
	if f.Bad() {
		status = http.StatusUnprocessableEntity
	} else {
		entries, err := v.Desk.Audit(v.r.Context(), filter)
		if err != nil {
			return err
		}
		if len(entries) > auditPage {
			entries = entries[:auditPage]
			view.Next = "/audit?" + with(q, "before", strconv.FormatInt(entries[auditPage-1].Number, 10)).Encode()
		}
		for _, e := range entries {
			view.Entries = append(view.Entries, v.auditLine(e))
		}
	}
	if filter.Before > 0 {
		view.First = "/audit?" + with(q, "before", "").Encode()
	}
	view.VerifyURL = "/audit?" + with(q, "verify", "1").Encode()
	if view.MayVerify && q.Get("verify") == "1" {
		state, err := v.Desk.VerifyAudit(v.r.Context())
		if err != nil {
			return err
		}
		view.State, view.Whole = &state, int(state.Entries)
	}
	return v.page("audit", Page{Title: v.say("nav.audit"), Active: "nav.audit", Status: status, Data: view})
}

// with is a query with another value; "" takes it out.
func with(q url.Values, name, value string) url.Values {
	out := url.Values{}
	for k, values := range q {
		if k != name && k != "verify" && strings.Join(values, "") != "" {
			out[k] = values
		}
	}
	if value != "" {
		out.Set(name, value)
	}
	return out
}

// dayOf reads a date, as the beginning of its day.
func (v *visit) dayOf(f *Form, field string) time.Time {
	s := f.Text(field, 10, false)
	if s == "" {
		return time.Time{}
	}
	at, err := time.ParseInLocation(time.DateOnly, s, v.zone)
	if err != nil {
		f.Fail(field, v.say("form.date"))
	}
	return at
}

// result is how something ended, as a badge.
func (t tongue) result(r string) badge {
	switch r {
	case access.Done:
		return badge{"ok", "check", t.say("result.done")}
	case access.Refused:
		return badge{"warn", "lock", t.say("result.refused")}
	}
	return badge{"failed", "failed", t.say("result.failed")}
}
