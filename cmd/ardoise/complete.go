package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/ardoise/ardoise/console/api"
)

// completeTime is how long a shell waits for names.
const completeTime = 2 * time.Second

// names asks the daemon for the names that a word may be completed to.
type names func(ctx context.Context, d *api.Client) ([]string, error)

func computerNames(ctx context.Context, d *api.Client) ([]string, error) {
	var out []string
	all, err := d.Computers(ctx)
	for _, x := range all {
		out = append(out, x.Name)
	}
	return out, err
}

func roomNames(ctx context.Context, d *api.Client) ([]string, error) {
	var out []string
	all, err := d.Rooms(ctx)
	for _, x := range all {
		out = append(out, x.Name)
	}
	return out, err
}

func siteNames(ctx context.Context, d *api.Client) ([]string, error) {
	var out []string
	all, err := d.Sites(ctx)
	for _, x := range all {
		if x.Name != "" {
			out = append(out, x.Name)
		}
	}
	return out, err
}

func masterNames(ctx context.Context, d *api.Client) ([]string, error) {
	var out []string
	all, err := d.Masters(ctx)
	for _, x := range all {
		out = append(out, fmt.Sprintf("%s@%d", x.Name, x.Version))
		for _, c := range x.Channels {
			out = append(out, x.Name+"@"+c)
		}
	}
	return out, err
}

func scriptNames(ctx context.Context, d *api.Client) ([]string, error) {
	var out []string
	all, err := d.Scripts(ctx)
	for _, x := range all {
		out = append(out, x.Name)
	}
	return out, err
}

func logins(ctx context.Context, d *api.Client) ([]string, error) {
	var out []string
	all, err := d.People(ctx)
	for _, x := range all {
		out = append(out, x.Login)
	}
	return out, err
}

func jobIDs(ctx context.Context, d *api.Client) ([]string, error) {
	var out []string
	all, err := d.Jobs(ctx)
	for _, x := range all {
		out = append(out, x.ID)
	}
	return out, err
}

func scheduleIDs(ctx context.Context, d *api.Client) ([]string, error) {
	var out []string
	all, err := d.Schedules(ctx)
	for _, x := range all {
		out = append(out, x.ID)
	}
	return out, err
}

func helperNames(ctx context.Context, d *api.Client) ([]string, error) {
	var out []string
	all, err := d.Helpers(ctx)
	for _, x := range all {
		out = append(out, x.Name)
	}
	return out, err
}

func filterNames(ctx context.Context, d *api.Client) ([]string, error) {
	var out []string
	all, err := d.Filters(ctx)
	for _, x := range all {
		out = append(out, x.Name)
	}
	return out, err
}

// fixed are the flags whose values are a few words, by command and flag; "" for any command.
func fixed() map[[2]string][]string {
	return map[[2]string][]string{
		{"", "end"}: {"disk", "poweroff", "stay"}, {"", "bus"}: {"nvme", "sata", "scsi", "usb", "mmc", "virtio"},
		{"", "role"}: {"administrator", "technician", "teacher", "reader"}, {"wipe", "method"}: {"auto", "sanitize", "secure-erase", "overwrite"},
		{"request list", "state"}: {"open", "answered", "closed"}, {"job list", "state"}: {"waiting", "running", "done", "failed", "cancelled"},
		{"", "severity"}: {"info", "warning", "alarm"}, {"", "level"}: {"full", "quick"}, {"", "kind"}: {"deploy", "reset", "stage", "inventory", "verify", "script", "shutdown", "wipe", "capture"}, {"serve", "unknown"}: {"agent", "disk"},
		{"make", "scope"}: {"read", "reset", "deploy", "capture", "computers", "masters", "people", "admin"},
	}
}

// offered completes a word to names; without a daemon, to nothing.
func offered(from names) cobra.CompletionFunc {
	return func(c *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		data := defaultData
		if f := c.Flags().Lookup("data"); f != nil && f.Value.String() != "" {
			data = f.Value.String()
		}
		ctx, stop := context.WithTimeout(context.Background(), completeTime)
		defer stop()
		d, err := api.Dial(ctx, data)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		all, err := from(ctx, d)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var out []cobra.Completion
		for _, name := range all {
			if name = oneLine(name); strings.HasPrefix(strings.ToLower(name), strings.ToLower(begun)) {
				out = append(out, name)
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// complete lets a shell complete names: of flags, and of the first argument by what the usage calls it.
func complete(c *cobra.Command) {
	for flag, from := range map[string]names{"computer": computerNames, "room": roomNames, "site": siteNames, "master": masterNames,
		"script": scriptNames, "person": logins, "teacher": computerNames, "spare": computerNames} {
		if c.Flags().Lookup(flag) != nil {
			_ = c.RegisterFlagCompletionFunc(flag, offered(from)) // fails only for a flag that is not there
		}
	}
	for where, words := range fixed() {
		if c.Flags().Lookup(where[1]) != nil && (where[0] == "" || strings.HasSuffix(c.CommandPath(), " "+where[0])) {
			_ = c.RegisterFlagCompletionFunc(where[1], cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	if c.Args != nil && c.HasParent() && !c.HasSubCommands() {
		c.Args = named(c.Args)
	}
	words := strings.Fields(c.Use)
	if len(words) > 1 && c.ValidArgsFunction == nil && c.HasParent() {
		word := strings.Trim(words[1], "[].")
		switch {
		case strings.HasPrefix(word, "COMPUTER") && words[len(words)-1] == "ROOM":
			c.ValidArgsFunction = offered(func(ctx context.Context, d *api.Client) ([]string, error) {
				rooms, err := roomNames(ctx, d)
				computers, err2 := computerNames(ctx, d)
				return append(computers, rooms...), errors.Join(err, err2)
			})
		case word == "JOB":
			c.ValidArgsFunction = offered(jobIDs)
		case word == "SCHEDULE", c.HasParent() && c.Parent().Name() == "schedule" && word == "ID":
			c.ValidArgsFunction = offered(scheduleIDs)
		case c.HasParent() && c.Parent().Name() == "filter" && word == "NAME":
			c.ValidArgsFunction = offered(filterNames)
		case c.HasParent() && c.Parent().Name() == "helper" && word == "NAME" && c.Name() == "forget":
			c.ValidArgsFunction = offered(helperNames)
		case strings.HasPrefix(word, "COMPUTER"):
			c.ValidArgsFunction = offered(computerNames)
		case strings.HasPrefix(word, "ROOM"):
			c.ValidArgsFunction = offered(roomNames)
		case strings.HasPrefix(word, "SITE"):
			c.ValidArgsFunction = offered(siteNames)
		case strings.HasPrefix(word, "SCRIPT"):
			c.ValidArgsFunction = offered(scriptNames)
		case strings.HasPrefix(word, "LOGIN"):
			c.ValidArgsFunction = offered(logins)
		case strings.HasPrefix(word, "NAME[@"), strings.HasPrefix(word, "NAME@"):
			c.ValidArgsFunction = offered(masterNames)
		}
	}
	for _, sub := range c.Commands() {
		complete(sub)
	}
}

// named says which words of the usage are missing, or which are too many, instead of counting them.
func named(judge cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if judge(c, args) == nil {
			return nil
		}
		var wanted []string
		for _, word := range strings.Fields(c.Use)[1:] {
			if word == "|" || strings.HasPrefix(word, "--") || strings.HasPrefix(word, "[") {
				break
			}
			wanted = append(wanted, word)
		}
		switch {
		case len(args) < len(wanted):
			return usagef("%s is missing", strings.Join(wanted[len(args):], " "))
		case len(wanted) == 0:
			return usagef("%q is one word too many: `%s` takes none", args[0], c.CommandPath())
		}
		return usagef("%q is one word too many", args[len(args)-1])
	}
}

// newManual writes the manual pages, as a build does, or the commands on one page.
func newManual(root *cobra.Command) *cobra.Command {
	var page bool
	c := &cobra.Command{Use: "manual DIR", Short: "write manual pages into a folder", Args: cobra.ExactArgs(1), Hidden: true,
		RunE: func(_ *cobra.Command, args []string) error {
			if page {
				return os.WriteFile(args[0], []byte(commandPage(root)), 0o644)
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("making the folder of the manual: %w", err)
			}
			root.DisableAutoGenTag = true
			epoch := time.Unix(0, 0).UTC() // the same pages at each build
			if err := doc.GenManTree(root, &doc.GenManHeader{Title: "ARDOISE", Section: "1", Source: "Ardoise", Manual: "Ardoise", Date: &epoch}, args[0]); err != nil {
				return fmt.Errorf("writing the manual: %w", err)
			}
			return nil
		}}
	c.Flags().BoolVar(&page, "page", false, "write one page of all commands into a file")
	return c
}

// commandPage lists all commands, by their groups.
func commandPage(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("# Commands\n\nWritten by `ardoise manual --page docs/commands.md`. `ardoise COMMAND --help` has the flags of each; " +
		"every command but\n`serve`, `computer export`, `computer token`, `helper add` and `helper run` prints JSON with `--json`.\n\n" +
		"Exit codes: 0 ok; 1 differs, or a computer did not succeed; 2 usage; 3 refused, and nothing was changed; 4 damaged or\n" +
		"untrusted; 5 input or output.\n")
	var list func(c *cobra.Command)
	list = func(c *cobra.Command) {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
			return
		}
		if !c.HasSubCommands() || c.Flags().Lookup("data") != nil {
			_, _ = fmt.Fprintf(&b, "| `%s` | %s |\n", strings.ReplaceAll(strings.TrimSuffix(c.UseLine(), " [flags]"), "|", "\\|"), c.Short)
		}
		for _, sub := range c.Commands() {
			list(sub)
		}
	}
	for _, g := range groups() {
		if g.nouns == "help completion" {
			continue
		}
		_, _ = fmt.Fprintf(&b, "\n## %s\n\n| command | what it does |\n|---|---|\n", strings.TrimSuffix(g.title, ":"))
		for _, noun := range strings.Fields(g.nouns) {
			for _, c := range root.Commands() {
				if c.Name() == noun {
					list(c)
				}
			}
		}
	}
	return b.String()
}
