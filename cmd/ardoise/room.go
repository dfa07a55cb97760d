package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/pxe/grub"
)

func newRoom() *cobra.Command {
	c := &cobra.Command{Use: "room", Short: "say how the computers of a room are kept", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usagef("say what to do: list, show, set, arrange, forget")
		}}
	c.AddCommand(roomList(), roomShow(), roomSet(), roomArrange(), roomForget())
	return c
}

func roomList() *cobra.Command {
	var k client
	return k.flags(&cobra.Command{
		Use: "list", Short: "list rooms", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := k.dial(c.Context())
			if err != nil {
				return err
			}
			all, err := d.Rooms(c.Context())
			if err != nil {
				return err
			}
			return k.show(c.OutOrStdout(), all, func(w io.Writer) {
				rows := [][]string{{"ROOM", "RESET", "LEVEL", "MENU", "MASTER", "COMPUTERS"}}
				for _, r := range all {
					rows = append(rows, []string{r.Name, policyText(r), string(r.Level), onOff(r.Menu), dash(r.Master),
						fmt.Sprint(len(r.Computers))})
				}
				table(w, rows)
			})
		},
	})
}

func policyText(r access.Room) string {
	if r.Policy == job.PolicyNight {
		return "night, " + r.Night
	}
	return string(r.Policy)
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func roomShow() *cobra.Command {
	var k client
	return k.flags(&cobra.Command{
		Use: "show ROOM", Short: "show a room", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			d, err := k.dial(c.Context())
			if err != nil {
				return err
			}
			r, err := d.Room(c.Context(), args[0])
			if err != nil {
				return err
			}
			return k.show(c.OutOrStdout(), r, func(w io.Writer) { showRoom(w, r) })
		},
	})
}

func showRoom(w io.Writer, r access.Room) {
	technician := "no technician's entries"
	if r.Passphrase {
		technician = "technician's entries behind a passphrase"
	}
	rows := [][]string{{"room", r.Name}, {"reset", policyText(r)}, {"level", string(r.Level)},
		{"menu", onOff(r.Menu) + ", " + r.Lang + ", " + technician}, {"master", dash(r.Master)}}
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{name, value})
		}
	}
	if r.Policy == job.PolicyNight && r.NightDone != "" {
		add("nights", "settled up to "+r.NightDone)
	}
	add("computer name", r.Template.Hostname)
	if r.Template.Keys {
		add("keys", "machine-id and SSH host keys of each computer's own")
	}
	if r.Template.Answer != "" {
		add("answer file", fmt.Sprintf("%d bytes", len(r.Template.Answer)))
	}
	add("title", r.Title)
	add("note", r.Note)
	if r.Hours != ([2]string{}) {
		add("lessons", r.Hours[0]+" to "+r.Hours[1])
	}
	add("computers", strings.Join(r.Computers, " "))
	add("teacher's", r.Teacher)
	add("spare", strings.Join(r.Spares, " "))
	table(w, rows)
}

// roomFlags are what can be said of a room.
type roomFlags struct {
	client
	policy, level, menu, lang, night, master     string
	passphrase, keyboard, hostname, answer, path string
	keys, title, note, hours                     string
}

func roomSet() *cobra.Command {
	var o roomFlags
	c := o.flags(&cobra.Command{
		Use: "set ROOM", Short: "make a room, or change what is said of it", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			change, err := o.change(c)
			if err != nil {
				return err
			}
			d, err := o.dial(c.Context())
			if err != nil {
				return err
			}
			r, err := d.SetRoom(c.Context(), args[0], change)
			if err != nil {
				return err
			}
			return o.show(c.OutOrStdout(), r, func(w io.Writer) { showRoom(w, r) })
		},
	})
	f := c.Flags()
	f.StringVar(&o.policy, "reset", "", "when its computers are reset: demand, start, night or never")
	f.StringVar(&o.level, "level", "", "how much a reset reads that is chosen at the PC: quick or full; nights are full")
	f.StringVar(&o.menu, "menu", "", "its computers show a start menu: on or off")
	f.StringVar(&o.lang, "lang", "", "language of the menu: fr or en")
	f.StringVar(&o.passphrase, "passphrase-file", "", "file with the passphrase of the menu's technician entries, 12 characters or more; \"-\": none")
	f.StringVar(&o.keyboard, "keyboard", "fr", "keyboard that the passphrase is typed on, in the menu: fr or us")
	f.StringVar(&o.night, "night", "", "when its night's work begins, HH:MM in the time of the server")
	f.StringVar(&o.master, "master", "", "what its computers are to run: NAME, NAME@VERSION or NAME@CHANNEL; \"-\": not said")
	f.StringVar(&o.hostname, "hostname", "", "name of each computer, as {room}-{number} or {name}; \"-\": the master's")
	f.StringVar(&o.keys, "keys", "", "machine-id and SSH host keys are each computer's own: on or off")
	f.StringVar(&o.answer, "answer-file", "", "file with {name} {room} {number} {serial} {mac} to be filled in for each computer; \"-\": none")
	f.StringVar(&o.path, "answer-path", "", "where it lies on the system's volume (default Windows/Panther/unattend.xml)")
	f.StringVar(&o.title, "title", "", "what people call it; \"-\": by its name")
	f.StringVar(&o.note, "note", "", "a note on it; \"-\": none")
	f.StringVar(&o.hours, "hours", "", "when lessons begin and end, 08:00-18:00: orders within are warned of; \"-\": not said")
	return c
}

// change is what the flags say.
func (o *roomFlags) change(c *cobra.Command) (access.RoomChange, error) {
	var out access.RoomChange
	f := c.Flags()
	text := func(name, value string) *string {
		if !f.Changed(name) {
			return nil
		}
		if value == "-" {
			value = ""
		}
		return &value
	}
	if p := text("reset", o.policy); p != nil {
		out.Policy = (*job.Policy)(p)
	}
	if l := text("level", o.level); l != nil {
		out.Level = (*job.Level)(l)
	}
	for name, where := range map[string]**bool{"menu": &out.Menu, "keys": &out.Keys} {
		value := text(name, f.Lookup(name).Value.String())
		if value == nil {
			continue
		}
		if *value != "on" && *value != "off" {
			return out, usagef("--%s is on or off, not %q", name, *value)
		}
		on := *value == "on"
		*where = &on
	}
	out.Lang, out.Night, out.Master = text("lang", o.lang), text("night", o.night), text("master", o.master)
	out.Hostname, out.Path = text("hostname", o.hostname), text("answer-path", o.path)
	out.Title, out.Note = text("title", o.title), text("note", o.note)
	if hours := text("hours", o.hours); hours != nil {
		from, to, two := strings.Cut(*hours, "-")
		if *hours != "" && !two {
			return out, usagef("--hours is like 08:00-18:00, not %q", *hours)
		}
		out.Hours = &[2]string{from, to}
	}
	var err error
	if out.Answer, err = content(text("answer-file", o.answer)); err != nil {
		return out, err
	}
	phrase, err := content(text("passphrase-file", o.passphrase))
	if err != nil || phrase == nil {
		return out, err
	}
	lines := []string{}
	if *phrase != "" {
		if lines, err = menuHash(strings.TrimRight(*phrase, "\r\n"), o.keyboard, rand.Reader); err != nil {
			return out, err
		}
	}
	out.Passphrase = &lines
	return out, nil
}

// content reads the file that a flag names; nil when it was not given, "" for none.
func content(name *string) (*string, error) {
	if name == nil || *name == "" {
		return name, nil
	}
	b, err := os.ReadFile(*name)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", *name, err)
	}
	s := string(b)
	return &s, nil
}

func roomForget() *cobra.Command {
	var k client
	return k.flags(&cobra.Command{
		Use: "forget ROOM", Short: "forget a room that no computer is in", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			d, err := k.dial(c.Context())
			if err != nil {
				return err
			}
			r, err := d.ForgetRoom(c.Context(), args[0])
			if err != nil {
				return err
			}
			return k.show(c.OutOrStdout(), r, func(w io.Writer) { _, _ = fmt.Fprintf(w, "%s: forgotten\n", r.Name) })
		},
	})
}

func computerRoom() *cobra.Command {
	var k client
	return k.flags(&cobra.Command{
		Use: "room COMPUTER... ROOM", Short: "put computers into a room; \"-\" takes them out of theirs", Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			p := access.Placement{Computers: splitList(args[:len(args)-1]), Room: args[len(args)-1]}
			if p.Room == "-" {
				p.Room = ""
			}
			d, err := k.dial(c.Context())
			if err != nil {
				return err
			}
			r, err := d.Place(c.Context(), p)
			if err != nil {
				return err
			}
			return k.show(c.OutOrStdout(), r, func(w io.Writer) {
				if r.Name == "" {
					_, _ = fmt.Fprintln(w, "in no room now")
					return
				}
				_, _ = fmt.Fprintf(w, "%s: %s\n", r.Name, strings.Join(r.Computers, " "))
			})
		},
	})
}

func computerToken() *cobra.Command {
	var k client
	var revoke bool
	c := &cobra.Command{
		Use: "token COMPUTER", Args: cobra.ExactArgs(1),
		Short: "print, once, the file that lets a computer's running system order its own reset, and nothing else",
		RunE: func(c *cobra.Command, args []string) error {
			d, err := k.dial(c.Context())
			if err != nil {
				return err
			}
			t, err := d.Token(c.Context(), args[0], revoke)
			if err != nil {
				return err
			}
			if revoke {
				_, _ = fmt.Fprintf(c.OutOrStdout(), "%s: revoked\n", t.Computer)
				return nil
			}
			e := json.NewEncoder(c.OutOrStdout())
			e.SetIndent("", "  ")
			return e.Encode(t)
		},
	}
	dataFlag(c, &k.data)
	c.Flags().BoolVar(&revoke, "revoke", false, "make the token worth nothing")
	return c
}

// showResets adds what is known of a computer's resets.
func showResets(x access.Computer, add func(name, value string)) {
	add("room", x.Room)
	add("offline reset", x.OfflineReset)
	if p := x.Clean; p != nil {
		how := fmt.Sprintf("%s, %s read, %s rewritten in %.0f s", p.Level, bytesText(p.ReadBytes), bytesText(p.Written), p.Seconds)
		if p.Skipped {
			how = "the drive has counted no write since"
		}
		if p.Offline {
			how += ", without the server"
		}
		add("last proven clean", fmt.Sprintf("%s, %s: %s", p.At.Local().Format(time.DateTime), p.Version, how))
	}
	if n := x.Resets; n != nil {
		add("resets", fmt.Sprintf("%d clean, %d not, %d without the server; %d of %d quick ones read everything", n.Done, n.Failed,
			n.Offline, n.Doubted, n.Quick))
		for _, why := range slices.Sorted(maps.Keys(n.Doubts)) {
			add("quick to full", fmt.Sprintf("%d times: %s", n.Doubts[why], why))
		}
	}
	if x.Token != nil {
		add("token", "of its running system, made "+x.Token.Local().Format(time.DateTime))
	}
}

// menuHash is a passphrase as GRUB takes it.
func menuHash(phrase, keyboard string, random io.Reader) ([]string, error) {
	salt := make([]byte, 64)
	if _, err := io.ReadFull(random, salt); err != nil {
		return nil, fmt.Errorf("drawing salt: %w", err)
	}
	return grub.HashPassphrase(phrase, keyboard, salt)
}
