// Command ardoise is the daemon and the command line of Ardoise.
//
// Exit codes: 0 ok, 1 differs or a computer did not succeed, 2 usage, 3 refused, 4 damaged or untrusted, 5 input or
// output. What goes wrong is told in one line beginning "error:" and one beginning "hint:".
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

func newRoot() *cobra.Command {
	root := &cobra.Command{Use: "ardoise", Short: "network-boots computers and keeps their disks", SilenceErrors: true,
		SilenceUsage: true}
	root.AddCommand(daemonCommands()...)
	return root
}

// run runs one command line and returns its exit code.
func run(ctx context.Context, args []string, in io.Reader, out, complaints io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(complaints)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	c, ok := daemonComplaint(err, language())
	if !ok {
		c = complaint{exit: 5, error: err.Error(), hint: "`ardoise help` shows the commands"}
	}
	var usage *usageError
	if errors.As(err, &usage) {
		c.exit = 2
	}
	var watched *watchedError
	if errors.As(err, &watched) {
		c.exit = 1
	}
	_, _ = fmt.Fprintf(complaints, "error: %s\nhint: %s\n", c.error, c.hint)
	return c.exit
}
