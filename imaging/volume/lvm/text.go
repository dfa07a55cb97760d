package lvm

import (
	"bytes"
	"strconv"
	"strings"
)

// section is a node of the text: values are int64, string, []any or section.
type section struct {
	keys   []string // in the order of the text
	values map[string]any
}

const (
	maxNesting = 16
	maxValues  = 1 << 20 // in all sections and lists
)

// parser reads LVM's text: sections "name { ... }", assignments "name = value", values numbers, "strings" and [lists],
// comments from # to the end of the line.
type parser struct {
	b      []byte
	at     int
	values int
}

func parseText(b []byte) (section, error) {
	p := &parser{b: bytes.TrimRight(b, "\x00")}
	s, err := p.section(0)
	if err == nil && p.at < len(p.b) {
		err = p.fail("has a bracket too many")
	}
	return s, err
}

func (p *parser) fail(format string, a ...any) error {
	line := 1 + bytes.Count(p.b[:min(p.at, len(p.b))], []byte{'\n'})
	return damaged("metadata", format+" (line "+strconv.Itoa(line)+")", a...)
}

// space skips white space and comments and returns the next byte, 0 at the end.
func (p *parser) space() byte {
	for ; p.at < len(p.b); p.at++ {
		switch c := p.b[p.at]; c {
		case ' ', '\t', '\n', '\r':
		case '#':
			for p.at+1 < len(p.b) && p.b[p.at+1] != '\n' {
				p.at++
			}
		default:
			return c
		}
	}
	return 0
}

// section reads up to its closing bracket, which is left, or to the end of the text.
func (p *parser) section(depth int) (section, error) {
	s := section{values: map[string]any{}}
	if depth > maxNesting {
		return s, p.fail("is nested too deep")
	}
	for {
		c := p.space()
		if c == 0 || c == '}' {
			return s, nil
		}
		name := p.word()
		if name == "" {
			return s, p.fail("has %q where a name should be", c)
		}
		if _, twice := s.values[name]; twice {
			return s, p.fail("has %.40q twice", name)
		}
		var v any
		var err error
		switch p.space() {
		case '=':
			p.at++
			v, err = p.value(depth)
		case '{':
			p.at++
			if v, err = p.section(depth + 1); err == nil && p.space() != '}' {
				err = p.fail("has a section without an end")
			}
			p.at++
		default:
			err = p.fail("has the name %.40q without a value", name)
		}
		if err != nil {
			return s, err
		}
		s.keys = append(s.keys, name)
		s.values[name] = v
	}
}

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_-.+", c) >= 0
}

func (p *parser) word() string {
	from := p.at
	for p.at < len(p.b) && wordByte(p.b[p.at]) {
		p.at++
	}
	return string(p.b[from:p.at])
}

func (p *parser) value(depth int) (any, error) {
	if p.values++; p.values > maxValues || depth > maxNesting {
		return nil, p.fail("has too many values")
	}
	switch c := p.space(); {
	case c == '"':
		return p.quoted()
	case c == '[':
		p.at++
		return p.list(depth + 1)
	case c >= '0' && c <= '9' || c == '-':
		w := p.word()
		n, err := strconv.ParseInt(w, 10, 64)
		if err != nil {
			return w, nil // a fraction: nothing that matters here has one
		}
		return n, nil
	}
	return nil, p.fail("has a value that is not understood")
}

func (p *parser) quoted() (string, error) {
	var out []byte
	for p.at++; p.at < len(p.b); p.at++ {
		switch c := p.b[p.at]; c {
		case '"':
			p.at++
			return string(out), nil
		case '\\':
			if p.at++; p.at < len(p.b) {
				out = append(out, p.b[p.at])
			}
		default:
			out = append(out, c)
		}
	}
	return "", p.fail("has a string without an end")
}

func (p *parser) list(depth int) ([]any, error) {
	var out []any
	for {
		if p.space() == ']' {
			p.at++
			return out, nil
		}
		v, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		switch p.space() {
		case ',':
			p.at++
		case ']':
		default:
			return nil, p.fail("has a list without an end")
		}
	}
}

// number returns a value from 0 to most.
func (s section) number(name string, most int64) (int64, error) {
	n, ok := s.values[name].(int64)
	if !ok || n < 0 || n > most {
		return 0, damaged("metadata", "has no %s from 0 to %d", name, most)
	}
	return n, nil
}

func (s section) text(name string) string {
	t, _ := s.values[name].(string)
	return t
}

func (s section) sub(name string) (section, bool) {
	t, ok := s.values[name].(section)
	return t, ok
}

// words returns a list of strings, or one string as such a list.
func (s section) words(name string) ([]string, bool) {
	switch v := s.values[name].(type) {
	case nil:
		return nil, true
	case string:
		return []string{v}, true
	case []any:
		out := make([]string, 0, len(v))
		for _, e := range v {
			w, ok := e.(string)
			if !ok {
				return nil, false
			}
			out = append(out, w)
		}
		return out, true
	}
	return nil, false
}
