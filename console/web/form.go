package web

import (
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Form is what somebody typed, and what is wrong with it: a page that refuses shows both again. The first complaint about
// a field stays.
type Form struct {
	values url.Values
	errors map[string]string
	t      tongue
}

// newForm holds what was sent; nil for a form that nobody has filled in yet.
func newForm(t tongue, values url.Values) *Form {
	if values == nil {
		values = url.Values{}
	}
	return &Form{values: values, errors: map[string]string{}, t: t}
}

// Value is what was typed into a field.
func (f *Form) Value(field string) string { return f.values.Get(field) }

// Values is what was chosen in a field of several values.
func (f *Form) Values(field string) []string { return f.values[field] }

// Has tells whether a field of several values holds one.
func (f *Form) Has(field, value string) bool { return slices.Contains(f.values[field], value) }

// Default fills in what a field says before anybody has typed.
func (f *Form) Default(field, value string) {
	if !f.values.Has(field) {
		f.values.Set(field, value)
	}
}

// Fail complains about a field, in the language of the person. What is foreign in it may be marked.
func (f *Form) Fail(field, complaint string) {
	if f.errors[field] == "" {
		f.errors[field] = complaint
	}
}

// Error is the complaint about a field, as templates print it.
func (f *Form) Error(field string) template.HTML { return f.t.said(f.errors[field]) }

// Bad tells whether there is any complaint.
func (f *Form) Bad() bool { return len(f.errors) > 0 }

// Text reads a line of at most limit characters.
func (f *Form) Text(field string, limit int, required bool) string {
	s := strings.TrimSpace(f.Value(field))
	switch {
	case required && s == "":
		f.Fail(field, f.t.say("form.required"))
	case utf8.RuneCountInString(s) > limit:
		f.Fail(field, f.t.say("form.long", limit))
	}
	return s
}

// Choice reads one of several values.
func (f *Form) Choice(field string, of ...string) string {
	s := f.Value(field)
	if !slices.Contains(of, s) {
		f.Fail(field, f.t.say("form.choose"))
		return ""
	}
	return s
}

// Number reads a whole number.
func (f *Form) Number(field string, lowest, highest int) int {
	n, err := strconv.Atoi(strings.TrimSpace(f.Value(field)))
	if err != nil || n < lowest || n > highest {
		f.Fail(field, f.t.say("form.number", lowest, highest))
		return lowest
	}
	return n
}
