package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/fleet"
)

// defaultData is where an installed daemon keeps its data.
const defaultData = "/var/lib/ardoise"

// daemonCommands are the daemon and the commands that speak to it.
func daemonCommands() []*cobra.Command {
	return []*cobra.Command{newServe(), newComputer(), newRoom(), newCapture(), newDeploy(), newStage(), newJob(), newEvent(), newDoctor(),
		newVerify(), newWipe(), newInventory(), newShutdown(), newWake(), newSite(), newHelper(), newFilter(), newSchedule(), newScript(), newRequest(),
		newPerson(), newToken(), newAudit(), newPost(), newLabel()}
}

func dataFlag(c *cobra.Command, data *string) {
	c.Flags().StringVar(data, "data", defaultData, "data folder of the daemon")
}

// client is what the commands of a running daemon share.
type client struct {
	data string
	json bool
}

// flags adds the shared flags to a command that lists something.
func (k *client) flags(c *cobra.Command) *cobra.Command {
	dataFlag(c, &k.data)
	c.Flags().BoolVar(&k.json, "json", false, "print JSON")
	return c
}

// dial finds the daemon.
func (k *client) dial(ctx context.Context) (*api.Client, error) { return api.Dial(ctx, k.data) }

// show prints JSON if asked, else text.
func (k *client) show(w io.Writer, value any, text func(io.Writer)) error {
	if !k.json {
		text(w)
		return nil
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(value)
}

// table prints rows in columns; cells are cleaned, since many come from firmware.
func table(w io.Writer, rows [][]string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		for i := range r {
			r[i] = fleet.Clean(r[i], 120)
		}
		_, _ = fmt.Fprintln(t, strings.Join(r, "\t"))
	}
	_ = t.Flush()
}

func newComputer() *cobra.Command {
	return noun("computer", "list, enrol and wake computers", computerList(), computerShow(), computerApprove(),
		computerVerb("refuse COMPUTER", "refuse a waiting computer, dismiss an alarm, or withdraw an enrolment", "refuse", 1),
		computerVerb("rename COMPUTER NAME", "give a computer another name", "rename", 2),
		computerVerb("rekey COMPUTER", "forget a computer's key, after its disk or board was replaced, or take back a refusal",
			"rekey", 1),
		computerVerb("wake COMPUTER", "send Wake-on-LAN", "wake", 1),
		computerVerb("chainload COMPUTER on|off", "start its disk from GRUB, for firmware that stops after a failed network boot",
			"chainload", 2), computerRoom(), computerToken(), computerTag(), computerNote(), computerExport(), computerImport(), enrolWindow(), computerForget())
}

func computerList() *cobra.Command {
	var k client
	var query string
	c := k.flags(&cobra.Command{
		Use: "list", Short: "list computers, those that wait for approval with their codes", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := k.dial(c.Context())
			if err != nil {
				return err
			}
			all, err := d.Select(c.Context(), query)
			if err != nil {
				return err
			}
			return k.show(c.OutOrStdout(), all, func(w io.Writer) { listComputers(w, all) })
		},
	})
	c.Flags().StringVar(&query, "filter", "", "only those that this matches, as: room:S104 -runs:Bureautique@7 unseen>30d")
	return c
}

func listComputers(w io.Writer, all []access.Computer) {
	rows := [][]string{{"NAME", "ROOM", "STATE", "CODE", "RUNS", "DOING", "SEEN", "ADDRESS", "MODEL"}}
	for _, x := range all {
		runs := "-"
		switch {
		case x.Unfinished != nil:
			runs = "unfinished"
		case x.Runs != nil:
			runs = fmt.Sprintf("%s@%d", x.Runs.Master, x.Runs.Version)
		}
		doing := x.Stage
		if x.Task != nil {
			doing = taskText(*x.Task)
		}
		rows = append(rows, []string{x.Name, dash(x.Room), x.State, dash(x.Code), runs, dash(doing), ago(x.LastSeen), dash(x.Address), dash(x.Model)})
	}
	table(w, rows)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// ago says how long something is past.
func ago(t time.Time) string {
	d := time.Since(t)
	switch {
	case t.IsZero():
		return "never"
	case d < time.Minute:
		return fmt.Sprintf("%.0f s ago", max(d, 0).Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%.0f min ago", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h ago", d.Hours())
	}
	return t.Local().Format("2006-01-02")
}

func computerShow() *cobra.Command {
	var k client
	return k.flags(&cobra.Command{
		Use: "show COMPUTER", Short: "show what is known of a computer", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			d, err := k.dial(c.Context())
			if err != nil {
				return err
			}
			x, err := d.Computer(c.Context(), args[0])
			if err != nil {
				return err
			}
			return k.show(c.OutOrStdout(), x, func(w io.Writer) { showComputer(w, x) })
		},
	})
}

func showComputer(w io.Writer, x access.Computer) {
	in := x.Inventory
	rows := [][]string{{"name", x.Name}, {"id", x.ID}, {"state", x.State}}
	add := func(name, value string) {
		if strings.TrimSpace(value) != "" {
			rows = append(rows, []string{name, value})
		}
	}
	add("site", x.Site)
	add("tags", strings.Join(x.Tags, " "))
	add("note", x.Note)
	add("code", x.Code)
	if x.Twin != nil {
		add("looks like", fmt.Sprintf("%s of site %q: if it was moved here, `ardoise computer approve %s --moved`", x.Twin.Name, x.Twin.Site, x.Code))
	}
	if x.SeenAt != "" {
		add("seen in site", x.SeenAt+": if it was moved there, `ardoise computer room "+x.Name+" "+x.SeenAt+"/`")
	}
	if x.Claim != nil {
		add("alarm", fmt.Sprintf("key %.16s from %s claimed to be it, %s", x.Claim.Key, x.Claim.Address, ago(x.Claim.Since)))
	}
	if x.Runs != nil {
		add("runs", fmt.Sprintf("%s@%d, proven %s", x.Runs.Master, x.Runs.Version, x.Runs.At.Local().Format(time.DateTime)))
	}
	showResets(x, add)
	if x.Unfinished != nil {
		add("unfinished", fmt.Sprintf("%s@%d, phase %s", x.Unfinished.Master, x.Unfinished.Version, x.Unfinished.Phase))
	}
	add("addresses", strings.Join(append([]string{x.Address}, x.MACs...), " "))
	add("seen", ago(x.LastSeen)+" at "+x.Stage)
	add("model", in.Manufacturer+" "+in.Model)
	add("serial", in.Serial)
	add("uuid", in.UUID)
	add("firmware", fmt.Sprintf("%s UEFI %v, Secure Boot %v, TPM %s", in.Firmware, in.UEFI, in.SecureBoot, dash(in.TPM)))
	add("processor", fmt.Sprintf("%s, %d cores, %s of memory", in.CPU, in.Cores, bytesText(in.MemoryBytes)))
	for _, d := range in.Disks {
		add("disk", fmt.Sprintf("%s %s %s %s, serial %s", d.Path, bytesText(d.Size), d.Bus, d.Model, dash(d.Serial)))
	}
	for _, n := range in.NICs {
		add("network", fmt.Sprintf("%s %s %s, link %v, %d Mb/s", n.Name, n.MAC, n.Driver, n.Link, n.SpeedMbit))
	}
	table(w, rows)
	for _, e := range x.Events {
		_, _ = fmt.Fprintf(w, "%s  %s  %s\n", e.Time.Local().Format(time.DateTime), fleet.Clean(e.Kind, 32), fleet.Clean(e.Detail, 200))
	}
}

func computerApprove() *cobra.Command {
	var name, room string
	var moved bool
	c := &cobra.Command{Use: "approve CODE...", Short: "enrol the computers that show these codes on their own screens", Args: cobra.MinimumNArgs(1)}
	var k client
	c.RunE = func(c *cobra.Command, args []string) error {
		if name != "" && len(args) > 1 {
			return usagef("--name is for one computer")
		}
		if moved && len(args) > 1 {
			return usagef("--moved is for one computer")
		}
		d, err := k.dial(c.Context())
		if err != nil {
			return err
		}
		if len(args) == 1 {
			x, err := d.Approve(c.Context(), access.Approve{Code: args[0], Name: name, Room: room, Moved: moved})
			if err != nil {
				return err
			}
			return k.show(c.OutOrStdout(), x, func(w io.Writer) { _, _ = fmt.Fprintf(w, "%s is enrolled\n", x.Name) })
		}
		var all []access.Approve
		for _, code := range args {
			all = append(all, access.Approve{Code: code, Room: room})
		}
		xs, err := d.ApproveAll(c.Context(), all)
		if err != nil {
			return err
		}
		return k.show(c.OutOrStdout(), xs, func(w io.Writer) {
			for _, x := range xs {
				_, _ = fmt.Fprintf(w, "%s is enrolled\n", x.Name)
			}
		})
	}
	k.flags(c)
	c.Flags().StringVar(&name, "name", "", "name to give it (default: the next of its room, as S104-01; without a room the one proposed)")
	c.Flags().StringVar(&room, "room", "", "room to put it into")
	c.Flags().BoolVar(&moved, "moved", false, "it is the computer of another site that it looks like, and was moved here")
	return c
}

// computerVerb is a command that changes one computer.
func computerVerb(use, short, verb string, args int) *cobra.Command {
	var k client
	return k.flags(&cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(args),
		RunE: func(c *cobra.Command, args []string) error {
			var change access.Change
			switch verb {
			case "rename":
				change.Name = args[1]
			case "chainload":
				if args[1] != "on" && args[1] != "off" {
					return usagef("chainload is on or off, not %q", args[1])
				}
				change.On = args[1] == "on"
			}
			d, err := k.dial(c.Context())
			if err != nil {
				return err
			}
			x, err := d.Change(c.Context(), args[0], verb, change)
			if err != nil {
				return err
			}
			return k.show(c.OutOrStdout(), x, func(w io.Writer) { _, _ = fmt.Fprintf(w, "%s: %s\n", x.Name, verbDone(verb, x)) })
		},
	})
}

func verbDone(verb string, x access.Computer) string {
	switch verb {
	case "refuse":
		return "refused"
	case "rename":
		return "renamed"
	case "rekey":
		return "its next start shows a code to be approved"
	case "wake":
		return wokenText(x)
	}
	return "changed"
}

// wokenText says how a computer was woken.
func wokenText(x access.Computer) string {
	how := ""
	if x.Woken != "" {
		how = " " + fleet.Clean(x.Woken, 400)
	}
	return "woken" + how + "; whether it starts, it must say itself"
}

// bytesText is a number of bytes for a person.
func bytesText(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	x, i := float64(n), 0
	for x >= 1000 && i < len(units)-1 {
		x /= 1000
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", x, units[i])
}

// isTerminal tells whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
