package main

import (
	"context"
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
		"script": scriptNames, "person": logins} {
		if c.Flags().Lookup(flag) != nil {
			_ = c.RegisterFlagCompletionFunc(flag, offered(from)) // fails only for a flag that is not there
		}
	}
	words := strings.Fields(c.Use)
	if len(words) > 1 && c.ValidArgsFunction == nil && c.HasParent() {
		word := strings.Trim(words[1], "[].")
		switch {
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

// newManual writes the manual pages, as a build does.
func newManual(root *cobra.Command) *cobra.Command {
	return &cobra.Command{Use: "manual DIR", Short: "write manual pages into a folder", Args: cobra.ExactArgs(1), Hidden: true,
		RunE: func(_ *cobra.Command, args []string) error {
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
}
