package web

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"rsc.io/qr"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet/people"
)

// quiet is how many light modules surround a QR code: ISO/IEC 18004 section 5.3.8 asks for four.
const quiet = 4

// qrSVG draws a text as a QR code, one path for all dark modules. A quarter of it may be dirty.
func qrSVG(text, label string) (template.HTML, error) {
	code, err := qr.Encode(text, qr.Q)
	if err != nil {
		return "", fmt.Errorf("making the code of a label: %w", err)
	}
	var path strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			run := 0
			for x+run < code.Size && code.Black(x+run, y) {
				run++
			}
			if run > 0 {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", x+quiet, y+quiet, run, run)
				x += run
			}
		}
	}
	side := code.Size + 2*quiet
	return template.HTML(fmt.Sprintf(`<svg class="qr" viewBox="0 0 %d %d" role="img" aria-label="%s" shape-rendering="crispEdges">`+
		`<rect width="%d" height="%d" fill="#fff"/><path d="%s" fill="#000"/></svg>`,
		side, side, template.HTMLEscapeString(label), side, side, path.String())), nil
}

// roomPath is the address of a room's page.
func roomPath(name string) string { return "/rooms/" + url.PathEscape(name) }

// labelView is the label of one computer.
type labelView struct {
	Name, Room, Link string
	QR               template.HTML
	Replace          string // name of the computer, where its label alone is shown
}

// showLabels is a sheet of labels to print: of a room, or of one computer.
func (c *console) showLabels(v *visit) error {
	q := v.r.URL.Query()
	var names []string
	var crumbs []Crumb
	title := v.say("label.title")
	if room := q.Get("room"); room != "" {
		r, err := v.Desk.Room(room)
		if err != nil {
			return err
		}
		names, title = r.Computers, v.say("label.title.room", r.Name)
		crumbs = []Crumb{{r.Name, roomPath(r.Name)}}
	} else {
		names = q["computer"]
	}
	var labels []labelView
	for _, name := range names {
		pc, err := v.Desk.Computer(name)
		if err != nil {
			return err
		}
		token, err := v.Desk.Label(v.r.Context(), pc.ID)
		if err != nil {
			return err
		}
		link := v.link(access.LabelPath + token)
		drawing, err := qrSVG(link, v.say("label.code", pc.Name))
		if err != nil {
			return err
		}
		labels = append(labels, labelView{Name: pc.Name, Room: pc.Room, Link: link, QR: drawing})
	}
	if len(labels) == 1 && q.Get("room") == "" {
		labels[0].Replace = labels[0].Name
	}
	return v.page("labels", Page{Title: title, Active: "nav.computers", Crumbs: crumbs, Print: true, Data: labels})
}

// replaceLabel gives a computer a label with a new code, as after somebody photographed the one that it bears.
func (c *console) replaceLabel(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	name := f.Value("computer")
	_, err = v.Desk.Relabel(v.r.Context(), name)
	return v.done(err, "/labels?computer="+url.QueryEscape(name), "label.replaced", name)
}

// showLabelled asks who has read a label, and has no account, what is wrong.
func (c *console) showLabelled(v *visit) error {
	l, err := c.House.Labelled(v.r.Context(), v.r.PathValue("token"))
	if err != nil {
		return v.labelGone(err)
	}
	return v.labelledPage(l, newForm(v.tongue, nil), http.StatusOK, false)
}

// labelledPage shows no more of the house than the label on the computer says itself, and how its reports stand.
func (v *visit) labelledPage(l access.Labelled, f *Form, status int, done bool) error {
	if v.signedIn && v.May(people.ActionReport) {
		f.Default("name", v.Caller.Name)
	}
	known, err := v.c.House.LabelRequests(v.r.Context(), v.r.PathValue("token"))
	if err != nil {
		return err
	}
	var told []requestView
	for _, r := range known {
		told = append(told, requestView{Request: r, Mark: v.requestMark(r.State)})
	}
	return v.page("labelled", Page{Title: v.say("labelled.title", l.Computer), Bare: true, Status: status,
		Data: map[string]any{"Computer": l.Computer, "Room": l.Room, "Form": f, "Done": done, "Token": v.r.PathValue("token"), "Known": told}})
}

// labelGone says that a label is worthless; other errors come back.
func (v *visit) labelGone(err error) error {
	if e := access.ErrorOf(err); e.Status == http.StatusNotFound {
		return v.page("lost", Page{Title: v.say("labelled.gone"), Bare: true, Status: http.StatusNotFound, Data: nil})
	}
	return err
}

// reportLabelled keeps what somebody without an account reports.
func (c *console) reportLabelled(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	token := v.r.PathValue("token")
	l, err := c.House.Labelled(v.r.Context(), token)
	if err != nil {
		return v.labelGone(err)
	}
	text, name, status := f.Text("text", 2000, true), f.Text("name", 100, false), http.StatusUnprocessableEntity
	if !f.Bad() {
		_, err = c.House.ReportByLabel(v.r.Context(), token, addressOf(v.r), name, text)
		if err != nil {
			if e := access.ErrorOf(err); e.Status == http.StatusTooManyRequests {
				status = e.Status
			}
			if err = v.refused(f, "text", err); err != nil {
				return v.labelGone(err)
			}
		}
	}
	if f.Bad() {
		return v.labelledPage(l, f, status, false)
	}
	return v.labelledPage(l, f, http.StatusOK, true)
}
