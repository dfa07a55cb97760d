package main

import (
	"reflect"
	"strings"
	"testing"
)

// Each sentence exists in both languages, says the same things in the same order, and is not left in the other language.
func TestSentencesOfBothLanguages(t *testing.T) {
	e, f := reflect.ValueOf(english()), reflect.ValueOf(french())
	verbs := func(s string) (out []string) {
		for i := 0; i+1 < len(s); i++ {
			if s[i] == '%' {
				out = append(out, strings.ToLower(s[i:i+2]))
			}
		}
		return out
	}
	for i := range e.NumField() {
		name, a, b := e.Type().Field(i).Name, e.Field(i).String(), f.Field(i).String()
		if a == "" || b == "" || a == b {
			t.Errorf("%s: %q and %q", name, a, b)
		}
		if x, y := verbs(a), verbs(b); len(x) != len(y) {
			t.Errorf("%s has %q in English and %q in French", name, x, y)
		}
	}
	for lang, want := range map[string]string{"fr_FR.UTF-8": french().usage, "fr-FR": french().usage, "FR": french().usage,
		"de_DE": english().usage, "C": english().usage, "": english().usage} {
		if got := spoken([]string{"", lang}).usage; got != want {
			t.Errorf("%q: %q", lang, got)
		}
	}
}
