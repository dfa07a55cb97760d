// Command ardoise is the daemon and the command line of Ardoise.
//
//	ardoise serve                                        the daemon
//	ardoise computer | room | deploy | stage | job ...   orders to the daemon, over the socket in its data folder
//	ardoise verify | wipe | inventory | shutdown | wake  the same
//	ardoise site | filter | schedule | script | request  the same
//	ardoise person | token | audit | post                the same: who may do what, who did what, whom to tell
//	ardoise master capture                               from a disk or image file here, without a daemon
//	ardoise master restore | verify                      a disk or image file here, with or without a daemon
//	ardoise reset NAME --disk PATH                       the same, reading as little as it can with --quick
//	ardoise reset --room | --computer                    an order to the daemon
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
		SilenceErrors:    true,
		SilenceUsage:     true,
		PersistentPreRun: func(*cobra.Command, []string) { started() },
	}
	root.AddCommand(masterCommand(), resetCommand(), storeCommand(), backupCommand(), sessionCommand(), cacheCommand())
	root.AddCommand(daemonCommands()...)
	root.AddCommand(newManual(root))
	complete(root)
	return root
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
		err = &usageError{err.Error()}
	}
	c := explain(err, language())
	if errors.As(err, &usage) && asked.HasParent() && !asked.HasSubCommands() {
		c.hint = pick(language(), "usage: ", "usage : ") + asked.UseLine()
	}
	_, _ = fmt.Fprintf(complaints, "error: %s\nhint: %s\n", oneLine(c.error), oneLine(c.hint))
	return c.exit
}
