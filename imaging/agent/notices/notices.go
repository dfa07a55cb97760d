package notices

import (
	"fmt"
	"strings"
)

// Code names a notice. It never changes once released.
type Code string

// Severity says how bad a notice is.
type Severity int

// The severities.
const (
	Info  Severity = iota // work goes on as it should
	Wait                  // the agent waits for something and goes on by itself
	Warn                  // the work goes on, something beside it needs a person
	Fault                 // the work has stopped
)

// String returns the word of a severity, in English, for logs.
func (s Severity) String() string { return [...]string{"info", "wait", "warning", "fault"}[s] }

// Lang is a language of the screen.
type Lang string

// The languages.
const (
	French  Lang = "fr"
	English Lang = "en"
)

// Text is a sentence in each language. It may hold fmt verbs.
type Text struct{ FR, EN string }

// In returns the text in one language; anything but English is French.
func (t Text) In(l Lang) string {
	if l == English {
		return t.EN
	}
	return t.FR
}

// Notice is one thing that a person may read.
type Notice struct {
	Code     Code
	Severity Severity
	What     Text // what happened; takes the arguments
	Do       Text // what to do now, or what happens next; takes none
}

// Message is a notice with its arguments filled in.
type Message struct {
	Code     Code
	Severity Severity
	What, Do Text
}

// English returns what happened and what to do in English, on one line: for reports and logs.
func (m Message) English() string { return m.What.EN + " " + m.Do.EN }

// Get returns the notice of a code with its arguments filled in. An unknown code gives the notice Unexpected.
func Get(code Code, args ...any) Message {
	for _, n := range All() {
		if n.Code == code {
			return n.fill(args)
		}
	}
	return Get(Unexpected, fmt.Sprint(code))
}

func (n Notice) fill(args []any) Message {
	clean := make([]any, len(args))
	for i, a := range args {
		clean[i] = a
		if s, ok := a.(fmt.Stringer); ok {
			a = s.String()
		} else if e, ok := a.(error); ok {
			a = e.Error()
		}
		if s, ok := a.(string); ok {
			clean[i] = Printable(s, 300)
		}
	}
	what := Text{FR: fmt.Sprintf(n.What.FR, clean...), EN: fmt.Sprintf(n.What.EN, clean...)}
	return Message{Code: n.Code, Severity: n.Severity, What: what, Do: n.Do}
}

// Printable returns s without control characters and with at most limit characters: what comes from drives, firmware
// and the network must not move the cursor.
func Printable(s string, limit int) string {
	var b strings.Builder
	for _, r := range s {
		if limit--; limit < 0 {
			b.WriteString("...")
			break
		}
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0xfffd {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}
