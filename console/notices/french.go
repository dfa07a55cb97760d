package notices

import (
	_ "embed"
	"fmt"
	"html/template"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	agent "github.com/ardoise/ardoise/imaging/agent/notices"
)

// catalogue is french.txt: a line with what a program writes in English, its verbs as in the source, then one that begins
// with a tab and has the same in French. {1} is what the first verb stood for, as it is; {1~} is said in French, too. A
// line that begins with [WORD] is for the details of that kind of event or code of a notice only.
//
//go:embed french.txt
var catalogue string

// What stands between these is not in the language of the rest: the words of a system, a drive or a tool. They are the
// isolates of UAX #9, which nobody sees and which keep a text that runs the other way in its place.
const (
	foreignFrom = "\u2068"
	foreignTo   = "\u2069"
)

// Line is what a program says in English, and the same in French.
type Line struct {
	Of      string // kind of event, or code of a notice, of whose details it is one; "": of any
	English string // with verbs of fmt
	French  string // with {1} and on
}

// Lines returns what the rooms below say in English: the catalogue, and the sentences of the PC's own screen.
func Lines() []Line {
	var out []Line
	english := ""
	for text := range strings.Lines(catalogue) {
		text = strings.TrimSuffix(text, "\n")
		french, is := strings.CutPrefix(text, "\t")
		switch {
		case is:
			l := Line{English: english, French: french}
			if of, rest, ok := strings.Cut(strings.TrimPrefix(english, "["), "] "); ok && strings.HasPrefix(english, "[") {
				l.Of, l.English = of, rest
			}
			out = append(out, l)
		case text != "" && text[0] != '#':
			english = text
		}
	}
	for _, n := range agent.All() {
		what := Line{English: n.What.EN, French: Apostrophes(numbered(n.What.FR))}
		out = append(out, what, Line{English: what.English + " " + n.Do.EN, French: what.French + " " + Apostrophes(n.Do.FR)})
	}
	return out
}

// straight is an apostrophe as screens of PCs and keyboards have it, within a word of French.
var straight = regexp.MustCompile(`(\pL)'([\pL{«])`)

// Apostrophes sets a French text of the PC's own screen, whose letters are few, with the apostrophes of all other French.
func Apostrophes(s string) string { return straight.ReplaceAllString(s, "$1’$2") }

// gaps are where an argument stands in an English text.
var gaps = regexp.MustCompile(`%[-+# 0]*\d*(?:\.\d+)?([a-zA-Z%])`)

// places are where one stands in a French text.
var places = regexp.MustCompile(`\{([1-9])(~?)\}`)

// numbered writes a text of the PC's own screen, whose verbs stand in the same order in both languages, with places.
func numbered(s string) string {
	n := 0
	return gaps.ReplaceAllStringFunc(s, func(verb string) string {
		n++
		if verb == "%s" {
			return fmt.Sprintf("{%d~}", n)
		}
		return fmt.Sprintf("{%d}", n)
	})
}

// pattern finds an English text again by what stands around its arguments.
type pattern struct {
	of, first, last string                // what it begins and ends with
	core            string                // the longest of what stands between its arguments
	weight          int                   // bytes that stand around the arguments
	text            func() *regexp.Regexp // made when it is first needed: most never are
	verbs           string                // the letter of each
	french          string
}

// speaker knows every line.
type speaker struct {
	exact    map[[2]string]string // of, English
	patterns []pattern            // those that say most by themselves first
}

var theSpeaker = sync.OnceValue(func() *speaker {
	s := &speaker{exact: map[[2]string]string{}}
	for _, l := range Lines() {
		if !gaps.MatchString(l.English) {
			s.exact[[2]string{l.Of, l.English}] = l.French
			continue
		}
		s.patterns = append(s.patterns, patternOf(l))
	}
	slices.SortStableFunc(s.patterns, func(a, b pattern) int { return b.weight - a.weight })
	return s
})

func patternOf(l Line) pattern {
	p := pattern{of: l.Of, french: l.French}
	var re strings.Builder
	end := 0
	for i, at := range gaps.FindAllStringSubmatchIndex(l.English, -1) {
		between := l.English[end:at[0]]
		if i == 0 {
			p.first = between
		}
		p.weight += len(between)
		if len(between) > len(p.core) {
			p.core = between
		}
		re.WriteString(regexp.QuoteMeta(between))
		verb := l.English[at[2]:at[3]]
		switch verb {
		case "%":
			re.WriteString("()%")
		case "d":
			re.WriteString(`(-?\d+)`)
		case "o":
			re.WriteString(`([0-7]+)`)
		case "f":
			re.WriteString(`(-?\d+(?:\.\d+)?)`)
		case "q":
			re.WriteString(`("(?:[^"\\]|\\.)*")`)
		default:
			re.WriteString(`(.*?)`)
		}
		p.verbs += verb
		end = at[1]
	}
	p.last = l.English[end:]
	p.weight += len(p.last)
	whole := `(?s)^` + re.String() + regexp.QuoteMeta(p.last) + `$`
	p.text = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(whole) })
	return p
}

// In says in a language what a room below wrote in English, as a detail of a kind of event or a code of a notice; "" for
// anything else. What nobody has put into French, such as the words of a drive, stays as it is, marked as foreign: see HTML
// and Plain.
func In(l Language, of, english string) string {
	if l != French || english == "" {
		return english
	}
	english = strings.TrimSpace(Plain(english))
	if s, ok := (&saying{theSpeaker(), 0, mostLooks}).say(of, english); ok {
		return s
	}
	return foreign(english)
}

// Thing says in a language what something is called: "job 12". Names stay as they are.
func Thing(l Language, name string) string {
	if l == French && strings.Contains(name, " ") {
		if s, ok := (&saying{theSpeaker(), deepest, 1}).find(ofThing, name); ok {
			return s
		}
	}
	return name
}

// ofThing is what the lines are of that say what something is called.
const ofThing = "what"

// ofOrder is what the lines are of that say what was ordered, and what in it: in the audit log.
const ofOrder = "job order"

// little is how many bytes of its own a sentence has that says little: "%s has %s".
const little = 16

// fits tells whether what was found is what a pattern is about: one that says little takes no words for a name, or it would
// swallow whatever has its words in it.
func (p *pattern) fits(found []string) bool {
	if p.of != "" || p.weight >= little {
		return true
	}
	for _, m := range places.FindAllStringSubmatch(p.french, -1) {
		n := int(m[1][0] - '0')
		if m[2] == "" && n < len(found) && p.verbs[n-1] != 'q' && phrase.MatchString(found[n]) && !namesOnly.MatchString(found[n]) {
			return false
		}
	}
	return true
}

// How far sentences within sentences are looked for, and how many texts are compared with the lines for one detail: what a
// computer writes of itself must not keep the server busy.
const (
	deepest   = 6
	mostLooks = 100
)

// saying is one detail on its way into French.
type saying struct {
	*speaker
	depth int
	looks int // that are left
}

// say says a text, or what it is made of.
func (s *saying) say(of, text string) (string, bool) {
	if s.depth > deepest || strings.TrimSpace(text) == "" {
		return text, false
	}
	s.depth++
	defer func() { s.depth-- }()
	if french, ok := s.refusal(text); ok {
		return french, true
	}
	if french, ok := s.find(of, text); ok {
		return french, true
	}
	if bare, ok := strings.CutSuffix(text, "."); ok {
		if french, ok := s.say(of, bare); ok {
			return french + ".", true
		}
	} else if first, n := utf8.DecodeRuneInString(text); unicode.IsLower(first) { // a sentence of a list, as the end of another
		if french, ok := s.find(of, string(unicode.ToUpper(first))+text[n:]+"."); ok {
			first, n = utf8.DecodeRuneInString(french)
			return string(unicode.ToLower(first)) + strings.TrimSuffix(french[n:], "."), true
		}
	}
	if list, ok := strings.CutPrefix(text, "["); ok && strings.HasSuffix(list, "]") { // as fmt writes a slice
		return s.parts(strings.TrimSuffix(list, "]"), " ", ", ")
	}
	for _, by := range [][2]string{{". ", ". "}, {"; ", " ; "}, {": ", " : "}, {", ", ", "}} {
		if strings.Contains(text, by[0]) {
			return s.parts(text, by[0], by[1])
		}
	}
	return text, false
}

// find says a text that is a line.
func (s *saying) find(of, text string) (string, bool) {
	if s.looks--; s.looks < 0 {
		return text, false
	}
	for _, key := range [][2]string{{of, text}, {"", text}} {
		if of == ofThing {
			break
		}
		if french, ok := s.exact[key]; ok {
			return french, true
		}
	}
	for i := range s.patterns {
		p := &s.patterns[i]
		if p.of != "" && p.of != of || of == ofThing && p.of != ofThing || !strings.HasPrefix(text, p.first) || !strings.HasSuffix(text, p.last) || !strings.Contains(text, p.core) {
			continue
		}
		if found := p.text().FindStringSubmatch(text); found != nil && p.fits(found) {
			return s.fill(p, found), true
		}
	}
	return text, false
}

// refusal says what a refusal of ours writes: "S104-01: busy: task 3-1 is running", of which the first may be left out.
func (s *saying) refusal(text string) (string, bool) {
	what, rest, _ := strings.Cut(text, ": ")
	code, detail, _ := strings.Cut(rest, ": ")
	n, ok := Find(code)
	if !ok {
		n, ok = Find(what)
		what, detail = "ceci", rest
	}
	if !ok || n.Severity == Note || n.Severity == Alarm { // those are of events
		return "", false
	}
	said, ok := s.say(n.Code, detail)
	if !ok {
		said = foreign(detail)
	}
	return n.fill(French, what, said).What, true
}

// parts says each part of a text, if any of them can be said.
func (s *saying) parts(text, english, french string) (string, bool) {
	all := strings.Split(text, english)
	any := false
	for i, part := range all {
		said, ok := s.say("", part)
		if any = any || ok; !ok {
			said = foreign(part)
		}
		all[i] = said
	}
	return strings.Join(all, french), any
}

// fill puts what was found into the French of a pattern.
func (s *saying) fill(p *pattern, found []string) string {
	filled := places.ReplaceAllStringFunc(p.french, func(place string) string {
		n := int(place[1] - '0')
		if n >= len(found) {
			return ""
		}
		arg := found[n]
		switch p.verbs[n-1] {
		case 'q':
			if bare, err := strconv.Unquote(arg); err == nil {
				arg = bare
			}
			return "«\u00a0" + arg + "\u00a0»"
		case 'f':
			return strings.Replace(arg, ".", ",", 1)
		}
		if !strings.HasSuffix(place, "~}") {
			return arg
		}
		of := ""
		if p.of == ofOrder {
			of = ofOrder
		}
		said, ok := s.say(of, arg)
		if !ok {
			said = foreign(arg)
		}
		return said
	})
	return strings.TrimSpace(strings.ReplaceAll(filled, "  : ", " : ")) // an argument may be empty: a wipe has no master
}

// phrase is what looks like words rather than like a name, a path or a number.
var phrase = regexp.MustCompile(`[a-z]{2,}[,;:]? +[(a-z0-9]*[a-z]{2,}`)

// namesOnly is a list of names, which looks like words.
var namesOnly = regexp.MustCompile(`^[^\s,;:]+(?:, [^\s,;:]+)+$`)

// foreign marks a text that nobody has put into French, if it is one.
func foreign(s string) string {
	if !phrase.MatchString(s) || strings.Contains(s, foreignFrom) {
		return s
	}
	return foreignFrom + s + foreignTo
}

var unmarker = strings.NewReplacer(foreignFrom, "", foreignTo, "")

// Plain is a text of In without its marks, for where there is no markup: mail, CSV, a terminal.
func Plain(s string) string { return unmarker.Replace(s) }

// marks are those that French sets apart from the word before them; screens of PCs have no room for that.
var marks = regexp.MustCompile(`([\pL\pN)»]) ?([:;!?])( |$)`)

// afterCode is such a mark where a command stands before it.
var afterCode = regexp.MustCompile(`^ ?([:;!?])( |$)`)

// code is what stands between backticks: a command, a flag or a file, to be copied as it is.
var code = regexp.MustCompile("`([^`\n]+)`")

// HTML is a text of In for a page in a language: escaped, set as that is, with what stands between backticks as <code>, and what
// is foreign in it says so to browsers and to those who have pages read to them.
func HTML(l Language, s string) template.HTML {
	s = code.ReplaceAllStringFunc(s, func(c string) string { // what is foreign in a command is part of it
		if strings.Count(c, foreignFrom) != strings.Count(c, foreignTo) {
			return c
		}
		return Plain(c)
	})
	var b strings.Builder
	for i, part := range strings.Split(s, foreignFrom) {
		inside, after, marked := strings.Cut(part, foreignTo)
		if i == 0 || !marked {
			set(&b, l, Plain(part))
			continue
		}
		b.WriteString(`<i lang="en" dir="auto">`)
		set(&b, English, inside)
		b.WriteString(`</i>`)
		set(&b, l, Plain(after))
	}
	return template.HTML(b.String())
}

// set writes a text in one language as markup.
func set(b *strings.Builder, l Language, s string) {
	text := func(s string, follows bool) {
		if l == French {
			if s = marks.ReplaceAllString(s, "$1\u00a0$2$3"); follows {
				s = afterCode.ReplaceAllString(s, "\u00a0$1$2")
			}
		}
		b.WriteString(template.HTMLEscapeString(s))
	}
	end := 0
	for _, at := range code.FindAllStringSubmatchIndex(s, -1) {
		text(s[end:at[0]], end > 0)
		b.WriteString("<code>" + template.HTMLEscapeString(s[at[2]:at[3]]) + "</code>")
		end = at[1]
	}
	text(s[end:], end > 0)
}
