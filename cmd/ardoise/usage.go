package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ardoise/ardoise/console/notices"
)

// usageError is a command line that means nothing.
type usageError struct {
	format string // English, one of usageFrench
	args   []any
}

// Error implements error.
func (e *usageError) Error() string { return fmt.Sprintf(e.format, e.args...) }

// in says it in a language.
func (e *usageError) in(l notices.Language) string {
	if french, ok := usageFrench()[e.format]; ok && l == notices.French {
		return fmt.Sprintf(french, e.args...)
	}
	return e.Error()
}

func usagef(format string, args ...any) error { return &usageError{format, args} }

// strange is how the library of commands says that a word is no command; what it proposes comes after it.
var strange = regexp.MustCompile(`^unknown command ("(?:[^"\\]|\\.)*") for "([^"]*)"`)

// misused says in our own words what the libraries of commands and flags say of a command line.
func misused(err error) error {
	var (
		none   *pflag.NotExistError
		empty  *pflag.ValueRequiredError
		value  *pflag.InvalidValueError
		syntax *pflag.InvalidSyntaxError
	)
	switch {
	case errors.As(err, &none) && none.GetSpecifiedShortnames() != "":
		return usagef("unknown shorthand flag: %s", "-"+none.GetSpecifiedName())
	case errors.As(err, &none):
		return usagef("unknown flag: %s", "--"+none.GetSpecifiedName())
	case errors.As(err, &empty) && empty.GetSpecifiedShortnames() != "":
		return usagef("flag needs an argument: %s", "-"+empty.GetSpecifiedName())
	case errors.As(err, &empty):
		return usagef("flag needs an argument: %s", "--"+empty.GetSpecifiedName())
	case errors.As(err, &syntax):
		return usagef("bad flag syntax: %s", syntax.GetSpecifiedFlag())
	case errors.As(err, &value):
		return wrongValue(value.GetFlag(), value.GetValue())
	}
	if m := strange.FindStringSubmatch(err.Error()); m != nil {
		return usagef("unknown command %q for %q", unquoted(m[1]), m[2])
	}
	return usagef("the command line means nothing: %s", err)
}

// wrongValue says what the value of a flag should be.
func wrongValue(f *pflag.Flag, value string) error {
	switch f.Value.Type() {
	case "int", "int64", "uint", "uint16", "uint32", "uint64":
		return usagef("--%s is a whole number, not %q", f.Name, value)
	case "float64":
		return usagef("--%s is a number, not %q", f.Name, value)
	case "bool":
		return usagef("--%s is true or false, not %q", f.Name, value)
	case "duration":
		return usagef("--%s is a time such as 90s, 10m or 36h, not %q", f.Name, value)
	}
	return usagef("--%s cannot be %q", f.Name, value)
}

// unquoted is what %q was given.
func unquoted(q string) string {
	var s string
	if _, err := fmt.Sscanf(q, "%q", &s); err != nil {
		return q
	}
	return s
}

// usageHint says what to do about a command line: the nearest command, or how the command is used.
func usageHint(asked *cobra.Command, e *usageError, l notices.Language) string {
	if e.format == "unknown command %q for %q" {
		asked.SuggestionsMinimumDistance = 2
		word, _ := e.args[0].(string)
		if near := asked.SuggestionsFor(word); len(near) > 0 {
			return fmt.Sprintf(pick(l, "did you mean `%s %s`?", "vouliez-vous `%s %s` ?"), asked.CommandPath(), near[0])
		}
	}
	if !asked.HasParent() {
		return pick(l, "`ardoise help` shows the commands", "`ardoise help` montre les commandes")
	}
	if asked.HasSubCommands() {
		return fmt.Sprintf(pick(l, "`ardoise help%s` shows its commands", "`ardoise help%s` montre ses commandes"),
			strings.TrimPrefix(asked.CommandPath(), "ardoise"))
	}
	return pick(l, "usage: ", "usage : ") + strings.Replace(asked.UseLine(), "[flags]", pick(l, "[flags]", "[options]"), 1)
}
