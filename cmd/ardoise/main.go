// Command ardoise is the daemon and the command line of Ardoise.
//
//	ardoise serve                                        the daemon
//	ardoise computer | room | deploy | stage | job ...   orders to the daemon, over the socket in its data folder
//	ardoise verify | wipe | inventory | shutdown | wake  the same
//	ardoise site | filter | schedule | script | request  the same
//	ardoise helper add | list | forget                   the same: machines that wake computers in other networks
//	ardoise helper run                                   on such a machine, without a daemon
//	ardoise person | token | audit | post                the same: who may do what, who did what, whom to tell
//	ardoise master capture                               from a disk or image file here, without a daemon
//	ardoise master restore | verify                      a disk or image file here, with or without a daemon
//	ardoise reset NAME --disk PATH                       the same, reading as little as it can with --quick
//	ardoise reset --room | --computer | --site ...       an order to the daemon
//	ardoise master list | show | diff | note | ...       with or without a daemon
//	ardoise backup create | restore                      the box itself, also while the daemon runs
//	ardoise session send | receive                       a master to many disks at once, without a daemon
//	ardoise cache show | fill | drop                     what a disk here keeps for resets without the server
//	ardoise store stats | gc | scrub | check ...         the same
//
// What goes wrong is told in one line that begins "error:" and one that begins "hint:". Exit codes:
//
//	0  ok
//	1  differs (master verify), or a computer did not succeed (job watch)
//	2  usage: the command line means nothing
//	3  refused: understood, and nothing was changed
//	4  damaged or untrusted: a master, a chunk, a signature
//	5  input or output failed, or the command was interrupted
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// newRoot returns the command with all its commands. started is called when one begins to work: what goes wrong before
// is wrong with the command line.
func newRoot(started func()) *cobra.Command {
	root := &cobra.Command{
		Use:              "ardoise",
		Short:            "network-boots computers and keeps their disks",
		Long:             about,
		Version:          version(),
		SilenceErrors:    true,
		SilenceUsage:     true,
		PersistentPreRun: func(*cobra.Command, []string) { started() },
	}
	root.SetVersionTemplate("ardoise {{.Version}}\n")
	root.AddCommand(masterCommand(), resetCommand(), storeCommand(), backupCommand(), sessionCommand(), cacheCommand())
	root.AddCommand(daemonCommands()...)
	root.AddCommand(newManual(root))
	grouped(root)
	complete(root)
	return root
}

// about is what a person reads who asks for nothing in particular.
const about = `ardoise network-boots computers, keeps versions of their disks, and puts one back on one computer or on three hundred.

To begin:
  ardoise serve                               the daemon; it prints the console's address, and the link that makes the first administrator
  ardoise doctor                              what is missing around it, and what to do
  ardoise room set S104                       a room, then start its computers from the network:
  ardoise computer list                       they wait with a code each
  ardoise computer approve 123456 --room S104
  ardoise capture NAME --computer S104-01     a version of a disk
  ardoise deploy NAME --room S104             and onto the others; it says first what is lost

Every listing has --json. Commands find the daemon by --data. What goes wrong is one line "error:" and one line "hint:".
Exit codes: 0 ok; 1 differs, or a computer did not succeed; 2 usage; 3 refused, and nothing was changed; 4 damaged or
untrusted; 5 input or output.`

// groups are the titles under which the help lists the commands.
func groups() []struct{ title, nouns string } {
	return []struct{ title, nouns string }{
		{"The box:", "serve doctor backup store cache"},
		{"Computers and where they are:", "computer room site helper filter label"},
		{"Orders to computers:", "deploy reset capture stage verify wipe inventory script wake shutdown job schedule session"},
		{"Masters:", "master"},
		{"People, and what they are told:", "person token audit request event post"},
		{"About this program:", "help completion"},
	}
}

// grouped puts each command under its title.
func grouped(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	for _, g := range groups() {
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title})
		for _, c := range root.Commands() {
			if slices.Contains(strings.Fields(g.nouns), c.Name()) {
				c.GroupID = g.title
			}
		}
	}
}

// run runs one command line and returns its exit code.
func run(ctx context.Context, args []string, in io.Reader, out, complaints io.Writer) int {
	started := false
	root := newRoot(func() { started = true })
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(complaints)
	asked, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	var usage *usageError
	if !started && !errors.As(err, &usage) {
		err = misused(err)
	}
	c := explain(err, language())
	if errors.As(err, &usage) {
		c.hint = usageHint(asked, usage, language())
	}
	_, _ = fmt.Fprintf(complaints, "error: %s\nhint: %s\n", oneLine(c.error), oneLine(c.hint))
	return c.exit
}
