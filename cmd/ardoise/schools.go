package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
)

func newSite() *cobra.Command {
	var title string
	var networks, mail []string
	set := &cobra.Command{Use: "set SITE", Short: "make a site, or change what is said of it; - is the one without a name", Args: cobra.ExactArgs(1)}
	set = asking(set, func(ctx context.Context, d *api.Client, args []string) (access.Site, error) {
		var change access.SiteChange
		f := set.Flags()
		if f.Changed("title") {
			change.Title = &title
		}
		if f.Changed("network") {
			list := splitList(networks)
			change.Networks = &list
		}
		if f.Changed("mail") {
			list := splitList(mail)
			change.Mail = &list
		}
		return d.SetSite(ctx, siteName(args[0]), change)
	}, func(w io.Writer, s access.Site) { listSites(w, []access.Site{s}) })
	f := set.Flags()
	f.StringVar(&title, "title", "", "what people call it")
	f.StringSliceVar(&networks, "network", nil, "networks whose computers belong to it, as 10.1.0.0/16; \"\": none")
	f.StringSliceVar(&mail, "mail", nil, "addresses that get its reports; \"\": none")
	return noun("site", "say which schools there are",
		asking(&cobra.Command{Use: "list", Short: "list sites", Args: cobra.NoArgs},
			func(ctx context.Context, d *api.Client, _ []string) ([]access.Site, error) { return d.Sites(ctx) }, listSites),
		set,
		asking(&cobra.Command{Use: "forget SITE", Short: "forget a site without rooms, computers and people", Args: cobra.ExactArgs(1)},
			func(ctx context.Context, d *api.Client, args []string) (access.Site, error) {
				return d.ForgetSite(ctx, siteName(args[0]))
			}, func(w io.Writer, s access.Site) { done(w, s.Name, "forgotten") }))
}

// siteName is a site as a person writes it: - is the one without a name.
func siteName(s string) string {
	if s == "-" {
		return ""
	}
	return s
}

func listSites(w io.Writer, all []access.Site) {
	rows := [][]string{{"SITE", "TITLE", "NETWORKS", "ROOMS", "MAIL"}}
	for _, s := range all {
		rows = append(rows, []string{dash(s.Name), dash(s.Title), dash(strings.Join(s.Networks, " ")), fmt.Sprint(len(s.Rooms)),
			dash(strings.Join(s.Mail, " "))})
	}
	table(w, rows)
}

func newFilter() *cobra.Command {
	list := func(w io.Writer, all []access.Filter) {
		rows := [][]string{{"FILTER", "QUERY", "BY"}}
		for _, f := range all {
			rows = append(rows, []string{f.Name, f.Query, dash(f.By)})
		}
		table(w, rows)
	}
	return noun("filter", "keep questions about computers that are asked again and again",
		asking(&cobra.Command{Use: "list", Short: "list saved filters", Args: cobra.NoArgs},
			func(ctx context.Context, d *api.Client, _ []string) ([]access.Filter, error) { return d.Filters(ctx) }, list),
		asking(&cobra.Command{Use: "save NAME QUERY", Short: "keep a filter, such as: \"old link\" \"link<=100 unseen>30d\"", Args: cobra.ExactArgs(2)},
			func(ctx context.Context, d *api.Client, args []string) (access.Filter, error) {
				return d.SaveFilter(ctx, args[0], args[1])
			}, func(w io.Writer, f access.Filter) { list(w, []access.Filter{f}) }),
		asking(&cobra.Command{Use: "forget NAME", Short: "forget a filter", Args: cobra.ExactArgs(1)},
			func(ctx context.Context, d *api.Client, args []string) (access.Filter, error) {
				return d.ForgetFilter(ctx, args[0])
			},
			func(w io.Writer, f access.Filter) { done(w, f.Name, "forgotten") }))
}

func computerTag() *cobra.Command {
	var add, remove []string
	c := asking(&cobra.Command{Use: "tag COMPUTER...", Short: "give computers tags, or take some away", Args: cobra.MinimumNArgs(1)},
		func(ctx context.Context, d *api.Client, args []string) ([]access.Computer, error) {
			return d.Tag(ctx, access.Tagging{Computers: splitList(args), Add: splitList(add), Remove: splitList(remove)})
		}, func(w io.Writer, all []access.Computer) {
			for _, x := range all {
				done(w, x.Name, dash(strings.Join(x.Tags, " ")))
			}
		})
	c.Flags().StringSliceVar(&add, "add", nil, "tags to give")
	c.Flags().StringSliceVar(&remove, "remove", nil, "tags to take away")
	return c
}

func computerNote() *cobra.Command {
	return asking(&cobra.Command{Use: "note COMPUTER TEXT", Short: "keep a note on a computer; \"\" takes it away", Args: cobra.ExactArgs(2)},
		func(ctx context.Context, d *api.Client, args []string) (access.Computer, error) {
			return d.Change(ctx, args[0], "note", access.Change{Note: args[1]})
		}, func(w io.Writer, x access.Computer) { done(w, x.Name, dash(x.Note)) })
}

func computerForget() *cobra.Command {
	return asking(&cobra.Command{Use: "forget COMPUTER", Short: "forget a computer that is gone, with its key; one that comes back is new", Args: cobra.ExactArgs(1)},
		func(ctx context.Context, d *api.Client, args []string) (access.Computer, error) {
			return d.ForgetComputer(ctx, args[0])
		}, func(w io.Writer, x access.Computer) { done(w, x.Name, "forgotten") })
}

func computerExport() *cobra.Command {
	var k client
	var query string
	c := &cobra.Command{Use: "export", Short: "print computers as a list for a spreadsheet, CSV", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := k.dial(c.Context())
			if err != nil {
				return err
			}
			return d.Export(c.Context(), query, c.OutOrStdout())
		}}
	dataFlag(c, &k.data)
	c.Flags().StringVar(&query, "filter", "", "only those that this matches, as: room:S104 -runs:Bureautique@7")
	return c
}

func computerImport() *cobra.Command {
	var how access.Sheet
	c := asking(&cobra.Command{Use: "import FILE", Short: "take names, rooms, tags and notes of computers from a spreadsheet, CSV", Args: cobra.ExactArgs(1)},
		func(ctx context.Context, d *api.Client, args []string) (out access.SheetReport, err error) {
			f, err := os.Open(args[0])
			if err != nil {
				return out, fmt.Errorf("opening the list: %w", err)
			}
			defer func() { _ = f.Close() }()
			return d.ImportSheet(ctx, f, how)
		}, showSheet)
	c.Flags().BoolVar(&how.Partly, "partly", false, "take the right lines where others are wrong")
	c.Flags().BoolVar(&how.Try, "dry-run", false, "say what would be done, and do nothing")
	return c
}

func showSheet(w io.Writer, r access.SheetReport) {
	for _, x := range r.Wrong {
		_, _ = fmt.Fprintf(w, "line %d %s: %s %s\n", x.Line, x.Column, x.Code, x.Detail)
	}
	if n := r.WrongAll - len(r.Wrong); n > 0 {
		_, _ = fmt.Fprintf(w, "and %s more\n", several(n, "line"))
	}
	what := "nothing was changed"
	if r.Done {
		what = "kept"
	}
	_, _ = fmt.Fprintf(w, "%s: %d changed, %d new, %d as before, %d wrong; %s\n", several(r.Lines, "line"), r.Changed, r.Created, r.Unchanged,
		r.WrongAll, what)
}

func enrolWindow() *cobra.Command {
	var minutes, count int
	list := func(w io.Writer, all []access.Window) {
		rows := [][]string{{"ROOM", "UNTIL", "CAME", "BY"}}
		for _, x := range all {
			rows = append(rows, []string{x.Room, x.Until.Local().Format(time.DateTime), fmt.Sprintf("%d of %d", x.Used, x.Count), x.By})
		}
		table(w, rows)
	}
	open := asking(&cobra.Command{Use: "open ROOM", Short: "enrol the computers that start in a room's site, without comparing codes", Args: cobra.ExactArgs(1)},
		func(ctx context.Context, d *api.Client, args []string) ([]access.Window, error) {
			return d.OpenWindow(ctx, access.WindowOrder{Room: args[0], Minutes: minutes, Count: count})
		}, list)
	open.Flags().IntVar(&minutes, "minutes", 60, "for so long")
	open.Flags().IntVar(&count, "count", 32, "at most so many computers")
	return noun("enrol-window", "enrol a room's computers by themselves, for some time",
		asking(&cobra.Command{Use: "list", Short: "list rooms whose enrolment is open", Args: cobra.NoArgs},
			func(ctx context.Context, d *api.Client, _ []string) ([]access.Window, error) { return d.Windows(ctx) }, list),
		open,
		asking(&cobra.Command{Use: "close ROOM", Short: "end a room's enrolment", Args: cobra.ExactArgs(1)},
			func(ctx context.Context, d *api.Client, args []string) ([]access.Window, error) {
				return d.CloseWindow(ctx, args[0])
			}, list))
}
