package fleet

import (
	"context"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The bounds of tags.
const (
	maxTags = 32
	maxTag  = 32 // characters
)

// validTag tells whether a person may give this tag: a word that needs no quotes in a filter.
func validTag(s string) bool {
	if s == "" || s[0] == '-' || utf8.RuneCountInString(s) > maxTag {
		return false
	}
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.", r) {
			return false
		}
	}
	return true
}

// cleanText is Clean for a text of several lines.
func cleanText(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i, line := range lines {
		lines[i] = Clean(strings.ReplaceAll(line, "\t", " "), len(line))
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// retag returns tags with some added and some taken away, in order, each once in capitals or not.
func retag(tags, add, remove []string) []string {
	out := slices.DeleteFunc(slices.Clone(tags), func(t string) bool {
		return slices.ContainsFunc(remove, func(x string) bool { return strings.EqualFold(x, t) })
	})
	for _, t := range add {
		if !slices.ContainsFunc(out, func(x string) bool { return strings.EqualFold(x, t) }) {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return strings.Compare(fold(a), fold(b)) })
	if len(out) == 0 {
		return nil
	}
	return out
}

// Label gives computers tags and takes others from them; all, or none.
func (f *Fleet) Label(ctx context.Context, refs, add, remove []string, by string) ([]Computer, error) {
	return f.editAll(ctx, refs, func(c *Computer) (Event, error) { return f.tag(c, add, remove, by) })
}

// tag gives a record tags and takes others from it; without an event it has them already.
func (f *Fleet) tag(c *Computer, add, remove []string, by string) (Event, error) {
	for _, t := range add {
		if !validTag(t) {
			return Event{}, refuse(CodeBadTag, Clean(t, 64), "a tag is a word of at most %d letters, digits, hyphens, dots and underscores", maxTag)
		}
	}
	tags := retag(c.Tags, add, remove)
	if len(tags) > maxTags {
		return Event{}, refuse(CodeBadTag, c.Name, "a computer has at most %d tags", maxTags)
	}
	if slices.Equal(tags, c.Tags) {
		return Event{}, nil
	}
	c.Tags = tags
	return f.event("labelled", Info, *c, Task{}, "tags %q by %s", strings.Join(tags, " "), Clean(by, 64)), nil
}

// Annotate keeps a person's note on a computer; "" takes it away.
func (f *Fleet) Annotate(ctx context.Context, ref, note, by string) (Computer, error) {
	return f.edit(ctx, ref, func(c *Computer) (Event, error) { return f.annotate(c, note, by) })
}

// annotate puts a note into a record.
func (f *Fleet) annotate(c *Computer, note, by string) (Event, error) {
	if utf8.RuneCountInString(note) > maxNote {
		return Event{}, refuse(CodeBadNote, c.Name, "a note has at most %d characters", maxNote)
	}
	c.Note = cleanText(note)
	return f.event("annotated", Info, *c, Task{}, "by %s", Clean(by, 64)), nil
}

// editAll changes records that exist; all, or none. A change that returns no event changes nothing.
func (f *Fleet) editAll(ctx context.Context, refs []string, change func(*Computer) (Event, error)) ([]Computer, error) {
	if len(refs) == 0 || len(refs) > maxTargets {
		return nil, refuse(CodeBadOrder, "", "1 to %d computers are changed at once", maxTargets)
	}
	f.deciding.Lock()
	defer f.deciding.Unlock()
	var all Change
	var out []Computer
	seen := map[string]bool{}
	for _, ref := range refs {
		c, err := f.findEnrolled(ref)
		if err != nil {
			return nil, err
		}
		if seen[c.ID] {
			continue
		}
		seen[c.ID] = true
		e, err := change(&c)
		if err != nil {
			return nil, err
		}
		if out = append(out, c); e.Kind != "" {
			all.Computers, all.Events = append(all.Computers, c), append(all.Events, e)
		}
	}
	if len(all.Computers) == 0 {
		return out, nil
	}
	return out, f.commit(ctx, all)
}
