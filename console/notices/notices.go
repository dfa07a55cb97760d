package notices

import (
	"strings"
	"sync"
)

// Language of a notice.
type Language string

// The languages.
const (
	English Language = "en"
	French  Language = "fr"
)

// LanguageOf reads the language from the values of LC_ALL, LC_MESSAGES and LANG, the first that is set counting.
func LanguageOf(locales ...string) Language {
	for _, l := range locales {
		if l == "" {
			continue
		}
		if strings.HasPrefix(strings.ToLower(l), "fr") {
			return French
		}
		return English
	}
	return English
}

// Severity of a notice.
type Severity string

// The severities, which are also the reasons of exit codes.
const (
	Note    Severity = "note"
	Usage   Severity = "usage"   // asked in a way that means nothing
	Refusal Severity = "refusal" // understood and refused; nothing was changed
	Damage  Severity = "damage"  // something is damaged or untrusted
	Failure Severity = "failure" // input, output, network
	Alarm   Severity = "alarm"   // somebody should look now
)

// Text is a notice in one language.
type Text struct {
	What string // what happened, to whom
	Do   string // what to do now
}

// Notice is what a person is told.
type Notice struct {
	Code     string
	Severity Severity
	English  Text
	French   Text
}

// Say returns the sentences of a notice in a language, with what and detail filled in. A detail comes in English and is said
// as In does.
func (n Notice) Say(l Language, what, detail string) Text {
	t := n.Marked(l, what, detail)
	return Text{What: Plain(t.What), Do: Plain(t.Do)}
}

// Marked is Say, with what is foreign in it marked: see HTML.
func (n Notice) Marked(l Language, what, detail string) Text {
	return n.fill(l, Thing(l, what), In(l, n.Code, detail))
}

// fill puts what and detail, said already, into the sentences of a language.
func (n Notice) fill(l Language, what, detail string) Text {
	t := n.English
	if l == French {
		t = n.French
	}
	if what == "" {
		what = "?"
	}
	fill := strings.NewReplacer("{what}", what, "{detail}", detail)
	t.What, t.Do = fill.Replace(t.What), fill.Replace(t.Do)
	if detail != "" && !strings.Contains(n.English.What+n.English.Do, "{detail}") {
		t.What += " (" + detail + ")"
	}
	return t
}

// Find returns the notice of a code.
func Find(code string) (Notice, bool) {
	n, ok := byCode()[code]
	return n, ok
}

var byCode = sync.OnceValue(func() map[string]Notice {
	out := map[string]Notice{}
	for _, n := range All() {
		out[n.Code] = n
	}
	return out
})
