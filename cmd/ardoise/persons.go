package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
)

func newRequest() *cobra.Command {
	list := func(w io.Writer, all []access.Request) {
		rows := [][]string{{"ID", "STATE", "SINCE", "COMPUTER", "ROOM", "BY", "TEXT"}}
		for _, r := range all {
			by := r.By
			if by == "" {
				by = r.Name
			}
			rows = append(rows, []string{r.ID, r.State, ago(r.Created), dash(r.Computer), dash(r.Room), dash(by), r.Text})
		}
		table(w, rows)
	}
	one := func(w io.Writer, r access.Request) { list(w, []access.Request{r}) }
	var f access.RequestFilter
	ls := asking(&cobra.Command{Use: "list", Short: "list what people reported to be broken, newest first", Args: cobra.NoArgs},
		func(ctx context.Context, d *api.Client, _ []string) ([]access.Request, error) {
			return d.Requests(ctx, f)
		}, list)
	ls.Flags().StringVar(&f.State, "state", "", "only those that are open, answered or closed")
	ls.Flags().StringVar(&f.Room, "room", "", "only those of this room")
	ls.Flags().StringVar(&f.Computer, "computer", "", "only those of this computer")
	pageFlags(ls, &f.Limit, 1000)
	ls.Flags().StringVar(&f.Before, "before", "", "only those with lower numbers: the next page")
	verb := func(use, short, verb string) *cobra.Command {
		return asking(&cobra.Command{Use: use, Short: short, Args: cobra.RangeArgs(1, 2)},
			func(ctx context.Context, d *api.Client, args []string) (access.Request, error) {
				return d.ChangeRequest(ctx, args[0], verb, strings.Join(args[1:], " "))
			}, one)
	}
	var r access.Report
	add := asking(&cobra.Command{Use: "add TEXT --computer COMPUTER | --room ROOM", Short: "report what is broken", Args: cobra.ExactArgs(1)},
		func(ctx context.Context, d *api.Client, args []string) (access.Request, error) {
			if r.Text = args[0]; (r.Computer == "") == (r.Room == "") {
				return access.Request{}, usagef("say with --computer which one, or with --room of which room as a whole")
			}
			return d.Report(ctx, r)
		}, one)
	add.Flags().StringVar(&r.Computer, "computer", "", "of this computer")
	add.Flags().StringVar(&r.Room, "room", "", "of this room as a whole")
	return noun("request", "see and answer what people report to be broken", ls, add,
		verb("answer ID TEXT", "answer who reported", "answer"), verb("close ID [TEXT]", "close a request", "close"),
		verb("reopen ID [TEXT]", "open a request again", "reopen"))
}

// personFlags are what can be said of a person.
type personFlags struct {
	name, mail, role string
	sites, rooms     []string
}

func (p *personFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&p.name, "name", "", "what others read")
	f.StringVar(&p.mail, "mail", "", "mail address")
	f.StringVar(&p.role, "role", "", "administrator, technician, teacher or reader")
	f.StringSliceVar(&p.sites, "site", nil, "of a technician or reader: these sites, and no others; - is the one without a name")
	f.StringSliceVar(&p.rooms, "room", nil, "of a teacher: these rooms")
}

// change is what the flags say.
func (p *personFlags) change(c *cobra.Command) access.PersonChange {
	var out access.PersonChange
	f := c.Flags()
	for name, at := range map[string]struct {
		to    **string
		value *string
	}{"name": {&out.Name, &p.name}, "mail": {&out.Mail, &p.mail}, "role": {&out.Role, &p.role}} {
		if f.Changed(name) {
			*at.to = at.value
		}
	}
	if f.Changed("site") {
		sites := splitList(p.sites)
		for i := range sites {
			sites[i] = siteName(sites[i])
		}
		out.Sites = &sites
	}
	if f.Changed("room") {
		rooms := splitList(p.rooms)
		out.Rooms = &rooms
	}
	return out
}

func listPeople(w io.Writer, all []access.Person) {
	rows := [][]string{{"LOGIN", "NAME", "ROLE", "PLACES", "STATE", "SEEN", "MAIL"}}
	for _, p := range all {
		state := "active"
		switch {
		case p.Disabled:
			state = "disabled"
		case p.Invited:
			state = "invited"
		}
		seen := "never"
		if p.LastSeen != nil {
			seen = ago(*p.LastSeen)
		}
		places := strings.Join(append(append([]string{}, p.Sites...), p.Rooms...), " ")
		if places == "" && p.Role != "teacher" {
			places = "all"
		}
		rows = append(rows, []string{p.Login, p.Name, p.Role, dash(places), state, seen, dash(p.Mail)})
	}
	table(w, rows)
}

func showInvited(w io.Writer, p access.Invited) {
	listPeople(w, []access.Person{p.Person})
	if p.Path != "" {
		_, _ = fmt.Fprintf(w, "the link, below the console's address, for seven days: %s\n", p.Path)
	}
}

func newPerson() *cobra.Command {
	one := func(w io.Writer, p access.Person) { listPeople(w, []access.Person{p}) }
	var invited, role personFlags
	invite := &cobra.Command{Use: "invite LOGIN", Short: "make a person, or give one a new link by which to set a password", Args: cobra.ExactArgs(1)}
	invite = asking(invite, func(ctx context.Context, d *api.Client, args []string) (access.Invited, error) {
		all, err := d.People(ctx)
		if err != nil {
			return access.Invited{}, err
		}
		for _, p := range all {
			if strings.EqualFold(p.Login, args[0]) {
				return d.Invite(ctx, args[0])
			}
		}
		change := invited.change(invite)
		change.Login = &args[0]
		if change.Name == nil {
			change.Name = &args[0]
		}
		if change.Role == nil {
			return access.Invited{}, usagef("say with --role what %s is to be", args[0])
		}
		return d.AddPerson(ctx, change)
	}, showInvited)
	invited.add(invite)
	set := &cobra.Command{Use: "role LOGIN", Short: "change what a person is, or what is said of him", Args: cobra.ExactArgs(1)}
	set = asking(set, func(ctx context.Context, d *api.Client, args []string) (access.Person, error) {
		return d.SetPerson(ctx, args[0], role.change(set))
	}, one)
	role.add(set)
	disabled := func(use, short string, is bool) *cobra.Command {
		return asking(&cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(1)},
			func(ctx context.Context, d *api.Client, args []string) (access.Person, error) {
				return d.SetPerson(ctx, args[0], access.PersonChange{Disabled: &is})
			}, one)
	}
	return noun("person", "say who may do what",
		asking(&cobra.Command{Use: "list", Short: "list people", Args: cobra.NoArgs},
			func(ctx context.Context, d *api.Client, _ []string) ([]access.Person, error) { return d.People(ctx) }, listPeople),
		invite, set, personPassword(), personSession(), disabled("disable LOGIN", "let nobody in by this account, and end its sessions", true),
		disabled("enable LOGIN", "let this account in again", false),
		asking(&cobra.Command{Use: "forget LOGIN", Short: "forget a person, with sessions and tokens", Args: cobra.ExactArgs(1)},
			func(ctx context.Context, d *api.Client, args []string) (access.Person, error) {
				return d.ForgetPerson(ctx, args[0])
			},
			func(w io.Writer, p access.Person) { done(w, p.Login, "forgotten") }))
}

func personSession() *cobra.Command {
	list := func(w io.Writer, all []access.Login) {
		rows := [][]string{{"ID", "SINCE", "USED", "FROM"}}
		for _, l := range all {
			rows = append(rows, []string{l.ID, l.Created.Local().Format(time.DateTime), ago(l.Seen), dash(l.Address)})
		}
		table(w, rows)
	}
	return noun("session", "see where a person is logged in to the console, and end it",
		asking(&cobra.Command{Use: "list LOGIN", Short: "list a person's sessions in the console", Args: cobra.ExactArgs(1)},
			func(ctx context.Context, d *api.Client, args []string) ([]access.Login, error) {
				return d.Logins(ctx, args[0])
			}, list),
		asking(&cobra.Command{Use: "end LOGIN ID", Short: "end one of a person's sessions; the others are listed", Args: cobra.ExactArgs(2)},
			func(ctx context.Context, d *api.Client, args []string) ([]access.Login, error) {
				return d.EndLogin(ctx, args[0], args[1])
			}, list))
}

func personPassword() *cobra.Command {
	c := &cobra.Command{Use: "password LOGIN", Short: "set a person's password, read from the terminal or from standard input, and end his sessions",
		Args: cobra.ExactArgs(1)}
	return asking(c, func(ctx context.Context, d *api.Client, args []string) (access.Person, error) {
		password, err := readPassword(c.InOrStdin(), c.ErrOrStderr())
		if err != nil {
			return access.Person{}, err
		}
		return d.SetPerson(ctx, args[0], access.PersonChange{Password: &password})
	}, func(w io.Writer, p access.Person) { done(w, p.Login, "has another password") })
}

// readPassword reads a password that a terminal does not show.
func readPassword(in io.Reader, out io.Writer) (string, error) {
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		_, _ = fmt.Fprint(out, "Password: ")
		b, err := term.ReadPassword(int(f.Fd()))
		_, _ = fmt.Fprintln(out)
		if err != nil {
			return "", fmt.Errorf("reading the password: %w", err)
		}
		return string(b), nil
	}
	line, err := bufio.NewReader(io.LimitReader(in, 4096)).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

func newToken() *cobra.Command {
	list := func(w io.Writer, all []access.Token) {
		rows := [][]string{{"ID", "PERSON", "NAME", "SCOPES", "EXPIRES", "USED"}}
		for _, t := range all {
			expires, used := "never", "never"
			if t.Expires != nil {
				expires = t.Expires.Local().Format(time.DateOnly)
			}
			if t.Used != nil {
				used = ago(*t.Used) + " from " + t.Address
			}
			rows = append(rows, []string{t.ID, t.Person, t.Name, strings.Join(t.Scopes, " "), expires, used})
		}
		table(w, rows)
	}
	var person string
	ls := asking(&cobra.Command{Use: "list", Short: "list API tokens", Args: cobra.NoArgs},
		func(ctx context.Context, d *api.Client, _ []string) ([]access.Token, error) {
			return d.Tokens(ctx, person)
		}, list)
	ls.Flags().StringVar(&person, "person", "", "only those of this person")
	var r access.TokenRequest
	var days int
	mk := asking(&cobra.Command{Use: "make NAME --person LOGIN --scope SCOPE[,SCOPE...]", Short: "make an API token and print it, once", Args: cobra.ExactArgs(1)},
		func(ctx context.Context, d *api.Client, args []string) (access.Token, error) {
			r.Name, r.Scopes = args[0], splitList(r.Scopes)
			if r.Person == "" {
				return access.Token{}, usagef("say with --person in whose name it is to be used")
			}
			if days > 0 {
				r.Expires = time.Now().AddDate(0, 0, days)
			}
			return d.MakeToken(ctx, r)
		}, func(w io.Writer, t access.Token) { _, _ = fmt.Fprintln(w, t.Secret) })
	mk.Flags().StringVar(&r.Person, "person", "", "login of the person in whose name it is used")
	mk.Flags().StringSliceVar(&r.Scopes, "scope", []string{"read"}, "read, reset, deploy, capture, computers, masters, people or admin")
	mk.Flags().IntVar(&days, "days", 365, "how long it counts; 0: for ever")
	return noun("token", "let programs use the API", ls, mk,
		asking(&cobra.Command{Use: "forget ID", Short: "make an API token worthless", Args: cobra.ExactArgs(1)},
			func(ctx context.Context, d *api.Client, args []string) (access.Token, error) {
				return d.ForgetToken(ctx, args[0])
			},
			func(w io.Writer, t access.Token) { done(w, t.ID, "forgotten") }))
}

func newPost() *cobra.Command {
	show := func(w io.Writer, s access.PostState) {
		rows := [][]string{{"at", dash(s.At)}, {"language", string(s.Language)}}
		if s.Mail != nil {
			rows = append(rows, []string{"mail", fmt.Sprintf("by %s (%s) from %s to %s", s.Mail.Server, s.Mail.TLS, s.Mail.From, strings.Join(s.Mail.To, ", "))})
		}
		if s.Hook != nil {
			rows = append(rows, []string{"hook", s.Hook.URL})
		}
		if s.Trouble != "" {
			rows = append(rows, []string{"trouble", s.Trouble})
		}
		table(w, rows)
	}
	return noun("post", "say where the morning's report goes",
		asking(&cobra.Command{Use: "show", Short: "show where reports go, and what went wrong with the last", Args: cobra.NoArgs},
			func(ctx context.Context, d *api.Client, _ []string) (access.PostState, error) { return d.Post(ctx) }, show),
		asking(&cobra.Command{Use: "set FILE", Short: "take the settings from a file of JSON as `ardoise post show --json` prints it", Args: cobra.ExactArgs(1)},
			func(ctx context.Context, d *api.Client, args []string) (access.PostState, error) {
				raw, err := os.ReadFile(args[0])
				if err != nil {
					return access.PostState{}, fmt.Errorf("reading the settings: %w", err)
				}
				var s access.PostState
				if err := json.Unmarshal(raw, &s); err != nil {
					return s, usagef("%s: %v", args[0], err)
				}
				return d.SetPost(ctx, s.Settings)
			}, show),
		asking(&cobra.Command{Use: "try", Short: "send a report of the last day now", Args: cobra.NoArgs},
			func(ctx context.Context, d *api.Client, _ []string) (access.PostState, error) { return d.TryPost(ctx) }, show))
}

func newAudit() *cobra.Command {
	var f access.AuditFilter
	var since, until string
	ls := asking(&cobra.Command{Use: "list", Short: "list who did what, newest first", Args: cobra.NoArgs},
		func(ctx context.Context, d *api.Client, _ []string) (_ []access.AuditEntry, err error) {
			if f.Since, err = instantOf("since", since, time.Now()); err != nil {
				return nil, err
			}
			if f.Until, err = instantOf("until", until, time.Now()); err != nil {
				return nil, err
			}
			return d.Audit(ctx, f)
		},
		func(w io.Writer, all []access.AuditEntry) {
			rows := [][]string{{"NUMBER", "TIME", "WHO", "VIA", "FROM", "DID", "WHAT", "RESULT", "DETAIL"}}
			for _, e := range all {
				rows = append(rows, []string{fmt.Sprint(e.Number), e.Time.Local().Format(time.DateTime), dash(e.Who), e.Via, dash(e.Address), e.Action, dash(e.What),
					e.Result, dash(e.Detail)})
			}
			table(w, rows)
		})
	ls.Flags().StringVar(&f.Who, "who", "", "only what this login did")
	ls.Flags().StringVar(&f.Action, "action", "", "only this action")
	ls.Flags().StringVar(&f.What, "what", "", "only what was done to this")
	ls.Flags().StringVar(&since, "since", "", "not before this time: 2026-11-23, 2026-11-23T02:00, or 36h for the last 36 hours")
	ls.Flags().StringVar(&until, "until", "", "only before this time, written the same")
	ls.Flags().Int64Var(&f.Before, "before", 0, "only entries with lower numbers: the next page")
	pageFlags(ls, &f.Limit, 1000)
	var k client
	verify := k.flags(&cobra.Command{Use: "verify", Short: "tell whether the audit log is what was written", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := k.dial(c.Context())
			if err != nil {
				return err
			}
			state, err := d.VerifyAudit(c.Context())
			if err != nil {
				return err
			}
			if err := k.show(c.OutOrStdout(), state, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "%d entries are as they were written\n", state.Entries)
			}); err != nil || state.Broken == 0 {
				return err
			}
			return &noticeError{"audit-broken", fmt.Sprint(state.Broken), state.Detail}
		}})
	return noun("audit", "read who did what", ls, verify)
}
