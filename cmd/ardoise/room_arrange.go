package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
)

// grid is how many squares the drawing of a room has to a side.
const grid = 100

// arrangement is what can be said of the drawing of a room.
type arrangement struct {
	columns int
	teacher string
	spares  []string
}

func roomArrange() *cobra.Command {
	var o arrangement
	c := &cobra.Command{Use: "arrange ROOM [COMPUTER=X,Y...]", Short: "say where computers stand in the drawing of a room, which of them is the teacher's, and which are spare",
		Args: cobra.MinimumNArgs(1)}
	asking(c, func(ctx context.Context, d *api.Client, args []string) (access.Room, error) {
		change, err := o.change(c, args[1:])
		if err != nil {
			return access.Room{}, err
		}
		if o.columns > 0 {
			r, err := d.Room(ctx, args[0])
			if err != nil {
				return r, err
			}
			rows, err := inRows(r.Computers, o.columns)
			if err != nil {
				return r, err
			}
			change.Plan = &rows
		}
		return d.SetRoom(ctx, args[0], change)
	}, showDrawing)
	f := c.Flags()
	f.IntVar(&o.columns, "columns", 0, "draw all its computers anew, by name, in rows of so many")
	f.StringVar(&o.teacher, "teacher", "", "the teacher's computer; \"-\": none")
	f.StringSliceVar(&o.spares, "spare", nil, "computers that stand in for others; \"\": none")
	return c
}

// change is what was said. Computers that are named move; the others stay where they stand.
func (o *arrangement) change(c *cobra.Command, places []string) (access.RoomChange, error) {
	var out access.RoomChange
	f := c.Flags()
	switch {
	case f.Changed("columns") && (o.columns < 1 || o.columns > grid):
		return out, usagef("--columns is 1 to %d", grid)
	case o.columns > 0 && len(places) > 0:
		return out, usagef("say where computers stand, or --columns, not both")
	case o.columns == 0 && len(places) == 0 && !f.Changed("teacher") && !f.Changed("spare"):
		return out, usagef("say where a computer stands, as S104-01=3,0, or --columns, --teacher or --spare")
	}
	if len(places) > 0 {
		plan, moved := []access.Place{}, []string{}
		for _, text := range places {
			p, err := placeOf(text)
			if err != nil {
				return out, err
			}
			plan, moved = append(plan, p), append(moved, p.Computer)
		}
		out.Plan, out.Moved = &plan, &moved
	}
	if f.Changed("teacher") {
		teacher := strings.TrimPrefix(o.teacher, "-")
		out.Teacher = &teacher
	}
	if f.Changed("spare") {
		spares := append([]string{}, splitList(o.spares)...)
		out.Spares = &spares
	}
	return out, nil
}

// placeOf reads COMPUTER=X,Y.
func placeOf(text string) (access.Place, error) {
	i := strings.LastIndexByte(text, '=')
	var p access.Place
	var rest string
	n, _ := fmt.Sscanf(text[i+1:]+" ", "%d,%d%s", &p.X, &p.Y, &rest)
	if i <= 0 || n != 2 || p.X < 0 || p.Y < 0 || p.X >= grid || p.Y >= grid {
		return p, usagef("a place is COMPUTER=X,Y in squares from the upper left, 0 to %d, as S104-01=3,0, not %q", grid-1, text)
	}
	p.Computer = text[:i]
	return p, nil
}

// inRows puts computers into rows.
func inRows(names []string, columns int) ([]access.Place, error) {
	out := []access.Place{}
	for i, name := range names {
		if i/columns >= grid {
			return nil, usagef("a drawing has %d rows: %d computers need more than %d columns", grid, len(names), columns)
		}
		out = append(out, access.Place{Computer: name, X: i % columns, Y: i / columns})
	}
	return out, nil
}

func showDrawing(w io.Writer, r access.Room) {
	rows := [][]string{{"COMPUTER", "X", "Y"}}
	for _, p := range r.Plan {
		rows = append(rows, []string{p.Computer, fmt.Sprint(p.X), fmt.Sprint(p.Y)})
	}
	table(w, rows)
	if r.Teacher != "" {
		_, _ = fmt.Fprintf(w, "teacher's: %s\n", r.Teacher)
	}
	if len(r.Spares) > 0 {
		_, _ = fmt.Fprintf(w, "spare: %s\n", strings.Join(r.Spares, " "))
	}
}
