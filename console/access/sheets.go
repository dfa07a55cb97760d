package access

import (
	"context"
	"fmt"
	"io"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
)

// Sheet says how a list of computers is taken.
type Sheet struct {
	Partly bool // take the right lines where others are wrong; else all are taken, or none
	Try    bool // say what would be done, and do nothing
}

// SheetReport says what an import did, or would do.
type SheetReport struct {
	Lines     int         `json:"lines"` // without the first
	Changed   int         `json:"changed"`
	Created   int         `json:"created"` // records of computers that are expected
	Unchanged int         `json:"unchanged"`
	Wrong     []WrongLine `json:"wrong,omitempty"` // in order, the first 200
	WrongAll  int         `json:"wrong_all"`       // how many there are
	Done      bool        `json:"done"`            // it was kept
}

// WrongLine is a line that cannot be taken.
type WrongLine struct {
	Line   int    `json:"line"` // in the file, the first is 1
	Column string `json:"column,omitempty"`
	Code   string `json:"code"`
	Detail string `json:"detail,omitempty"`
}

// Export writes the computers that a query matches and the caller sees as a list for a spreadsheet, CSV.
func (d Desk) Export(query string) (func(io.Writer) error, error) {
	found, err := d.selected(query)
	if err != nil {
		return nil, err
	}
	return func(w io.Writer) error { return fleet.ExportCSV(w, found) }, nil
}

// ImportSheet takes names, rooms, tags and notes from a spreadsheet. Lines about computers or rooms that are not the
// caller's are wrong. With wrong lines, unless the right ones are taken alone, nothing is done; the report says which.
func (d Desk) ImportSheet(ctx context.Context, r io.Reader, how Sheet) (SheetReport, error) {
	do := func(*deed) (SheetReport, error) {
		if !d.mayImport() {
			return SheetReport{}, forbidden("computers")
		}
		rep, err := d.h.Fleet.ImportCSV(ctx, r, fleet.Import{By: d.by(), Partly: how.Partly, Try: how.Try,
			May: func(c fleet.Computer, room string) bool { return d.mayPut(c, room) }})
		out := SheetReport{Lines: rep.Lines, Changed: rep.Changed, Created: rep.Created, Unchanged: rep.Unchanged, WrongAll: rep.WrongAll,
			Done: rep.Done}
		for _, w := range rep.Wrong {
			out.Wrong = append(out.Wrong, WrongLine{Line: w.Line, Column: w.Column, Code: string(w.Code), Detail: w.Detail})
		}
		if err != nil && len(out.Wrong) > 0 {
			err = nil // the report says what is wrong, and that nothing was done
		}
		return out, err
	}
	if how.Try {
		return do(nil)
	}
	return change(ctx, d, deed{action: "computer import"}, func(e *deed) (SheetReport, error) {
		out, err := do(e)
		e.detail = fmt.Sprintf("lines read: %d; changed: %d; new: %d; wrong: %d", out.Lines, out.Changed, out.Created, out.WrongAll)
		return out, err
	})
}

// mayImport tells whether there is any place whose computers the caller may change.
func (d Desk) mayImport() bool {
	if d.c.Everywhere() {
		return d.c.May(people.ActionComputer, "", "")
	}
	for _, site := range d.c.Sites {
		if d.c.May(people.ActionComputer, site, "") {
			return true
		}
	}
	return false
}

// mayPut tells whether the caller may change a computer, and put it into a room, "SITE/" or "". Its site is filled in.
func (d Desk) mayPut(c fleet.Computer, room string) bool {
	from := c.Site
	if c.Room != "" {
		from = fleet.SiteOf(c.Room)
	}
	if c.ID != "" && !d.c.May(people.ActionComputer, from, c.Room) {
		return false
	}
	if c.ID != "" && room == c.Room {
		return true
	}
	to, name := fleet.SiteOf(room), room
	if len(room) > 0 && room[len(room)-1] == '/' {
		name = ""
	}
	if room == "" {
		to = from
	}
	return d.c.May(people.ActionRoom, to, name)
}
