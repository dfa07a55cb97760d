package filter

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Subject is what a filter may ask of a computer.
type Subject struct {
	Name, Room, Site string
	State            string // as a person is shown it
	Tags             []string
	Master           string // that it was last proven to run; "": nothing is proven
	Version          int    // of Master
	LinkMbit         int    // of its fastest interface with a link; 0: not known
	LastSeen         time.Time
	Task             string // state of its newest task; "": none
	Unfinished       bool   // its disk was left in the middle of a write
	OfflineReset     bool   // it can be reset without the server
	Model            string
	Manufacturer     string
	CPU              string
	Serial           string
	UUID             string
	MACs             []string
	Address          string
	Note             string
	MemoryBytes      int64
	DiskBytes        int64 // of its smallest disk that is not removable; 0: none is known
	Firmware         string
	SecureBoot       bool
	UEFI             bool

	called string // everything that it is called by, in small letters, with NUL between; "": nobody has asked yet
}

// Error says where a query cannot be understood.
type Error struct {
	At     int    // characters before the mistake
	Word   string // the term in which it is
	Reason string // in English
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("character %d, %q: %s", e.At+1, e.Word, e.Reason) }

// Filter is a query that was understood. The zero value matches everything.
type Filter struct {
	query string
	terms []term
}

// String is the query.
func (f Filter) String() string { return f.query }

// term is one condition.
type term struct {
	name string
	not  bool
	is   func(*Subject, time.Time) bool
}

// Bounds of a query.
const (
	maxQuery = 1000 // characters
	maxTerms = 50
)

// Parse understands a query; the error is an *Error. The empty query matches everything.
func Parse(query string) (Filter, error) {
	f := Filter{query: strings.TrimSpace(query)}
	if n := utf8.RuneCountInString(query); n > maxQuery {
		return Filter{}, &Error{At: maxQuery, Reason: fmt.Sprintf("a filter has at most %d characters", maxQuery)}
	}
	words, err := split(query)
	if err != nil {
		return Filter{}, err
	}
	if len(words) > maxTerms {
		return Filter{}, &Error{At: words[maxTerms].at, Word: words[maxTerms].text, Reason: fmt.Sprintf("a filter has at most %d conditions", maxTerms)}
	}
	for _, w := range words {
		t, err := w.term()
		if err != nil {
			return Filter{}, err
		}
		f.terms = append(f.terms, t)
	}
	return f, nil
}

// Asks tells whether a condition is about something that Names lists.
func (f Filter) Asks(name string) bool {
	return slices.ContainsFunc(f.terms, func(t term) bool { return t.name == name })
}

// Match tells whether a computer is as the filter says, now.
func (f Filter) Match(s *Subject, now time.Time) bool {
	for _, t := range f.terms {
		if t.is(s, now) == t.not {
			return false
		}
	}
	return true
}

// word is a term as it was typed.
type word struct {
	at     int    // characters before it
	text   string // as typed
	not    bool
	name   string // of a test; "": it is looked for everywhere
	op     string
	value  string
	quoted bool
}

// split cuts a query into terms.
func split(query string) ([]word, error) {
	rs := []rune(query)
	var out []word
	for i := 0; i < len(rs); {
		if unicode.IsSpace(rs[i]) {
			i++
			continue
		}
		w := word{at: i}
		if rs[i] == '-' {
			w.not = true
			i++
		}
		begin := i
		for i < len(rs) && (rs[i] >= 'a' && rs[i] <= 'z' || rs[i] >= 'A' && rs[i] <= 'Z') {
			i++
		}
		if op := operator(rs[i:]); op != "" && i > begin {
			w.name, w.op = strings.ToLower(string(rs[begin:i])), op
			i += len(op)
		} else {
			i = begin
		}
		var ok bool
		if w.value, w.quoted, i, ok = value(rs, i); !ok {
			return nil, &Error{At: w.at, Word: string(rs[w.at:i]), Reason: `a quotation mark " is missing at the end`}
		}
		w.text = string(rs[w.at:i])
		if w.value == "" && !w.quoted {
			return nil, &Error{At: w.at, Word: w.text, Reason: "something must follow"}
		}
		out = append(out, w)
	}
	return out, nil
}

// operator returns the operator that text begins with.
func operator(text []rune) string {
	for _, op := range []string{"<=", ">=", "<", ">", ":", "="} {
		if strings.HasPrefix(string(text[:min(len(text), 2)]), op) {
			return op
		}
	}
	return ""
}

// value reads a value up to the next space, or what stands between quotation marks.
func value(rs []rune, i int) (text string, quoted bool, end int, ok bool) {
	var b strings.Builder
	if i >= len(rs) || rs[i] != '"' {
		for ; i < len(rs) && !unicode.IsSpace(rs[i]); i++ {
			b.WriteRune(rs[i])
		}
		return b.String(), false, i, true
	}
	for i++; i < len(rs); i++ {
		switch {
		case rs[i] == '"':
			return b.String(), true, i + 1, true
		case rs[i] == '\\' && i+1 < len(rs):
			i++
		}
		b.WriteRune(rs[i])
	}
	return "", true, i, false
}

// Quote writes a value so that Parse reads it as one.
func Quote(s string) string {
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == '"' || r == '\\' }) < 0 {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func (w word) wrong(format string, args ...any) error {
	return &Error{At: w.at, Word: w.text, Reason: fmt.Sprintf(format, args...)}
}

// term gives a word its meaning.
func (w word) term() (term, error) {
	t := term{name: w.name, not: w.not}
	var err error
	switch w.name {
	case "":
		needle := strings.ToLower(w.value)
		between := strings.Contains(needle, nul)
		t.is = func(s *Subject, _ time.Time) bool { return !between && strings.Contains(s.names(), needle) }
	case "link":
		t.is, err = w.number(func(s *Subject) (float64, bool) { return float64(s.LinkMbit), s.LinkMbit > 0 }, 1)
	case "memory":
		t.is, err = w.number(func(s *Subject) (float64, bool) { return float64(s.MemoryBytes), s.MemoryBytes > 0 }, 1024)
	case "disk":
		t.is, err = w.number(func(s *Subject) (float64, bool) { return float64(s.DiskBytes), s.DiskBytes > 0 }, 1000)
	case "unseen":
		t.is, err = w.age()
	default:
		if t.is, err = w.textual(); err == nil && t.is == nil {
			t.is, err = w.flag()
		}
	}
	return t, err
}

// textual is a test of a text: equal for what identifies, contained for what describes.
func (w word) textual() (func(*Subject, time.Time) bool, error) {
	v := strings.ToLower(w.value)
	equal := map[string]func(*Subject) string{
		"name": func(s *Subject) string { return s.Name }, "site": func(s *Subject) string { return s.Site },
		"state": func(s *Subject) string { return s.State }, "task": func(s *Subject) string { return s.Task },
		"address": func(s *Subject) string { return s.Address }, "uuid": func(s *Subject) string { return s.UUID },
	}
	within := map[string]func(*Subject) string{
		"model": func(s *Subject) string { return s.Manufacturer + " " + s.Model }, "cpu": func(s *Subject) string { return s.CPU },
		"serial": func(s *Subject) string { return s.Serial }, "note": func(s *Subject) string { return s.Note },
		"firmware": func(s *Subject) string { return s.Firmware },
	}
	var is func(*Subject) bool
	switch get, ok := equal[w.name]; {
	case ok:
		is = func(s *Subject) bool { return same(get(s), v) }
	case within[w.name] != nil:
		get := within[w.name]
		is = func(s *Subject) bool { return contains(get(s), v) }
	case w.name == "room":
		is = func(s *Subject) bool {
			return same(s.Room, v) || s.Room != "" && same(s.Room[strings.IndexByte(s.Room, '/')+1:], v)
		}
	case w.name == "tag":
		is = func(s *Subject) bool {
			return v == none && len(s.Tags) == 0 || slices.ContainsFunc(s.Tags, func(t string) bool { return strings.EqualFold(t, v) })
		}
	case w.name == "mac":
		v = strings.ReplaceAll(v, "-", ":")
		is = func(s *Subject) bool {
			return slices.ContainsFunc(s.MACs, func(m string) bool { return strings.HasPrefix(m, v) })
		}
	case w.name == "runs":
		master, number, one := strings.Cut(v, "@")
		version, err := strconv.Atoi(number)
		if one && (err != nil || version < 1) {
			return nil, w.wrong("a version is named like Bureautique@7")
		}
		is = func(s *Subject) bool { return same(s.Master, master) && (!one || s.Version == version) }
	default:
		return nil, nil
	}
	if w.op != ":" && w.op != "=" {
		return nil, w.wrong("%s is asked for with a colon, not with %s", w.name, w.op)
	}
	return func(s *Subject, _ time.Time) bool { return is(s) }, nil
}

// none is the value of what there is not.
const none = "none"

// same compares a text with a value, which is in small letters.
func same(text, value string) bool {
	return strings.EqualFold(text, value) || text == "" && value == none
}

// contains tells whether a text contains a needle, which is in small letters. Most texts are ASCII, and cost no memory.
func contains(text, needle string) bool {
	if !ascii(text) || !ascii(needle) {
		return strings.Contains(strings.ToLower(text), needle)
	}
	if needle == "" {
		return true
	}
	for i := 0; i+len(needle) <= len(text); i++ {
		if text[i]|0x20 == needle[0]|0x20 && strings.EqualFold(text[i:i+len(needle)], needle) {
			return true
		}
	}
	return false
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// nul stands between the names of a computer: none has it.
const nul = "\x00"

// names are everything that a computer is called by. Fifty conditions read it once.
func (s *Subject) names() string {
	if s.called == "" {
		all := []string{s.Name, s.Room, s.Model, s.Manufacturer, s.Serial, s.UUID, s.Address, s.Note, s.Master}
		s.called = strings.ToLower(strings.Join(append(append(all, s.Tags...), s.MACs...), nul))
	}
	return s.called
}

// flag is a test of what is so or not.
func (w word) flag() (func(*Subject, time.Time) bool, error) {
	flags := map[string]func(*Subject) bool{
		"unfinished": func(s *Subject) bool { return s.Unfinished }, "offline": func(s *Subject) bool { return s.OfflineReset },
		"secureboot": func(s *Subject) bool { return s.SecureBoot }, "uefi": func(s *Subject) bool { return s.UEFI },
	}
	get, ok := flags[w.name]
	if !ok {
		return nil, w.wrong("%q is nothing that can be asked for: %s", w.name, strings.Join(Names(), ", "))
	}
	if w.op != ":" && w.op != "=" {
		return nil, w.wrong("%s is asked for with a colon, not with %s", w.name, w.op)
	}
	var want bool
	switch strings.ToLower(w.value) {
	case "yes", "true", "1", "oui":
		want = true
	case "no", "false", "0", "non":
	default:
		return nil, w.wrong("%s is yes or no", w.name)
	}
	return func(s *Subject, _ time.Time) bool { return get(s) == want }, nil
}

// Names lists what can be asked for.
func Names() []string {
	return []string{"address", "cpu", "disk", "firmware", "link", "mac", "memory", "model", "name", "note", "offline", "room", "runs",
		"secureboot", "serial", "site", "state", "tag", "task", "uefi", "unfinished", "unseen", "uuid"}
}

// compare returns the test that an operator makes.
func compare(op string) func(a, b float64) bool {
	return func(a, b float64) bool {
		switch n := cmp.Compare(a, b); op {
		case "<":
			return n < 0
		case "<=":
			return n <= 0
		case ">":
			return n > 0
		case ">=":
			return n >= 0
		}
		return a == b
	}
}

// number is a test of a size. Of what is not known nothing is true.
func (w word) number(get func(*Subject) (float64, bool), unit float64) (func(*Subject, time.Time) bool, error) {
	text := strings.TrimSuffix(strings.ToUpper(w.value), "B")
	scale := 1.0
	if n := len(text); n > 0 && unit > 1 {
		if at := strings.IndexByte("KMGT", text[n-1]); at >= 0 {
			scale, text = math.Pow(unit, float64(at+1)), text[:n-1]
		}
	}
	want, err := strconv.ParseFloat(text, 64)
	if err != nil || !(want >= 0 && want < 1e15) {
		return nil, w.wrong("%s is compared with a number, such as %s", w.name, map[float64]string{1: "100", 1000: "256G", 1024: "4G"}[unit])
	}
	test := compare(w.op)
	return func(s *Subject, _ time.Time) bool {
		is, known := get(s)
		return known && test(is, want*scale)
	}, nil
}

// age is a test of how long ago a computer was last seen. Who was never seen was not for ever.
func (w word) age() (func(*Subject, time.Time) bool, error) {
	units := map[byte]time.Duration{'m': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	text := strings.ToLower(w.value)
	var want float64
	unit, ok := time.Duration(0), false
	if n := len(text); n > 0 {
		unit, ok = units[text[n-1]]
		var err error
		want, err = strconv.ParseFloat(text[:n-1], 64)
		ok = ok && err == nil && want >= 0 && want < 1e5
	}
	if !ok || w.op == ":" || w.op == "=" {
		return nil, w.wrong("%s is compared with a time by < or >, such as unseen>30d", w.name)
	}
	test := compare(w.op)
	return func(s *Subject, now time.Time) bool {
		if s.LastSeen.IsZero() {
			return test(math.Inf(1), 0)
		}
		return test(now.Sub(s.LastSeen).Seconds(), want*unit.Seconds())
	}, nil
}
