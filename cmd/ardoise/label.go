package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"rsc.io/qr"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/fleet"
)

// label is what is printed and glued to a computer: who reads its code reports what is broken, without an account.
type label struct {
	Computer string `json:"computer"`
	Room     string `json:"room,omitempty"`
	Code     string `json:"code"`
	URL      string `json:"url"`
}

func newLabel() *cobra.Command {
	return noun("label", "print the codes on computers by which pupils report what is broken",
		labelling("print [COMPUTER...]", "print the codes that are glued to computers: who reads one reports what is broken there", (*api.Client).Label),
		labelling("replace [COMPUTER...]", "print new codes; those that the computers bear, and pictures of them, are worthless from then on", (*api.Client).Relabel))
}

// labelling is a command that prints labels with the codes that get gets.
func labelling(use, short string, get func(*api.Client, context.Context, string) (access.Label, error)) *cobra.Command {
	var room, query, url string
	c := &cobra.Command{Use: use, Short: short}
	asking(c, func(ctx context.Context, d *api.Client, args []string) ([]label, error) {
		names, err := selection(ctx, d, args, room, query)
		if err != nil {
			return nil, err
		}
		base, err := consoleURL(ctx, d, url)
		if err != nil {
			return nil, err
		}
		out := []label{}
		for _, x := range names {
			l, err := get(d, ctx, x.ID)
			if err != nil {
				return nil, err
			}
			out = append(out, label{Computer: x.Name, Room: x.Room, Code: l.Code, URL: base + l.Path})
		}
		return out, nil
	}, func(w io.Writer, all []label) {
		for _, l := range all {
			showLabel(w, l, isTerminal(w))
		}
	})
	f := c.Flags()
	f.StringVar(&room, "room", "", "of all computers of a room")
	f.StringVar(&query, "filter", "", "of all computers that this matches")
	f.StringVar(&url, "url", "", "the console's address, as https://ardoise.school.example (default: as the daemon was told)")
	return c
}

// selection lists the computers that are named, in a room, or matched by a filter.
func selection(ctx context.Context, d *api.Client, names []string, room, query string) ([]access.Computer, error) {
	var out []access.Computer
	names = splitList(names)
	if room != "" {
		r, err := d.Room(ctx, room)
		if err != nil {
			return nil, err
		}
		names = append(names, r.Computers...)
	}
	for _, name := range names {
		x, err := d.Computer(ctx, name)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	if query != "" {
		found, err := d.Select(ctx, query)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	if len(names) == 0 && room == "" && query == "" {
		return nil, usagef("name at least one computer, a room with --room, or some with --filter")
	}
	return out, nil
}

// consoleURL is where people reach the console: as it was said, else as the daemon knows.
func consoleURL(ctx context.Context, d *api.Client, said string) (string, error) {
	if said == "" {
		setup, err := d.Setup(ctx)
		if err != nil {
			return "", err
		}
		if setup.Console == nil {
			return "", usagef("this daemon has no console: say with --url where people reach one")
		}
		said = setup.Console.Address
	}
	if !strings.HasPrefix(said, "https://") {
		return "", usagef("--url begins with https://, not %q", said)
	}
	return strings.TrimSuffix(said, "/"), nil
}

// quietZone is how many light modules surround a QR code: ISO/IEC 18004 section 5.3.8 asks for four.
const quietZone = 4

// showLabel prints a label: the QR code of its page, two rows of modules to a line, and what is written below. A terminal is
// told to show it dark on light; on paper it is.
func showLabel(w io.Writer, l label, terminal bool) {
	before, after := "", ""
	if terminal {
		before, after = "\x1b[30;107m", "\x1b[0m"
	}
	if code, err := qr.Encode(l.URL, qr.Q); err == nil { // an address that is longer than any code is printed alone
		for _, line := range blocks(code.Size, code.Black) {
			_, _ = fmt.Fprintf(w, "%s%s%s\n", before, line, after)
		}
	}
	_, _ = fmt.Fprintf(w, "%s  %s\n%s\n\n", fleet.Clean(l.Computer, 63), fleet.Clean(l.Room, 130), l.URL)
}

// blocks draws a square of modules with its quiet zone in characters that are two modules high.
func blocks(size int, dark func(x, y int) bool) []string {
	is := func(x, y int) bool { return x >= 0 && y >= 0 && x < size && y < size && dark(x, y) }
	var out []string
	for y := -quietZone; y < size+quietZone; y += 2 {
		var b strings.Builder
		for x := -quietZone; x < size+quietZone; x++ {
			b.WriteString([]string{" ", "▀", "▄", "█"}[bit(is(x, y))+2*bit(is(x, y+1))])
		}
		out = append(out, b.String())
	}
	return out
}

func bit(on bool) int {
	if on {
		return 1
	}
	return 0
}
