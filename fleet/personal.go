package fleet

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
)

// Template says what is a computer's own on a disk that is else its master's.
type Template struct {
	Hostname string // pattern of {room}, {name} and {number}; "": the master's
	Keys     bool   // machine-id and SSH host keys are the computer's own
	Answer   string // text of an answer file with {name} {room} {number} {serial} {mac}; "": none
	Path     string // of the answer file on the system's volume, "/" separated; "": Windows' own
}

// maxAnswer is the longest answer file, in bytes: it must fit a file that the master has.
const maxAnswer = 64 << 10

// Personal is what one computer's own names and keys are made of.
type Personal struct {
	Hostname string // "": the master's
	Answer   string // "": none
	Path     string // of the answer file; "": Windows' own
	Seed     []byte // 32 bytes, of this computer alone: machine-id and keys are derived from it; nil: the master's
}

// Personaliser knows which bytes of a version's volumes a computer's own names and keys replace.
type Personaliser interface {
	// Exceptions plans them on the version with this manifest. What stays as the master has it is told in sentences.
	Exceptions(ctx context.Context, manifest string, p Personal) (out []job.Exception, skipped []string, err error)
}

func (t Template) check(room string) error {
	if len(t.Answer) > maxAnswer {
		return refuse(CodeBadRoom, room, "an answer file has at most %d bytes", maxAnswer)
	}
	if len(t.Path) > 512 || Clean(t.Path, 512) != t.Path {
		return refuse(CodeBadRoom, room, "an answer file's path has at most 512 characters")
	}
	if strings.ContainsRune(t.Answer, 0) {
		return refuse(CodeBadRoom, room, "an answer file is text")
	}
	sample := strings.NewReplacer("{room}", "r", "{name}", "n", "{number}", "1", "{mac}", "m", "{serial}", "s").Replace(t.Answer)
	if err := checkAnswer(t.Path, sample); err != nil {
		return refuse(CodeBadRoom, room, "its answer file: %v", err)
	}
	if t.Hostname == "" {
		return nil
	}
	left := strings.NewReplacer("{room}", "r", "{name}", "n", "{number}", "1").Replace(t.Hostname)
	own := strings.Contains(t.Hostname, "{name}") || strings.Contains(t.Hostname, "{number}")
	if !own || len(t.Hostname) > 128 || left != hostname(left) {
		return refuse(CodeBadRoom, room, "computers are named by a pattern of letters, digits, hyphens, {room} and {name} or {number}")
	}
	return nil
}

// maxWindowsName is the longest name that Windows takes in an answer file, characters (NetBIOS).
const maxWindowsName = 15

// checkAnswer refuses an answer file that Windows' set-up would stop at, which leaves a computer that does not start: one that
// is no XML (a bare "&" is enough), or whose ComputerName is none. Files of other kinds are not looked into.
func checkAnswer(file, text string) error {
	if text == "" || file != "" && !strings.EqualFold(path.Ext(file), ".xml") {
		return nil
	}
	d, name, within := xml.NewDecoder(strings.NewReader(text)), "", false
	for {
		token, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("it is not XML in UTF-8 as Windows reads it: %s", Clean(err.Error(), 200))
		}
		switch x := token.(type) {
		case xml.StartElement:
			name, within = "", x.Name.Local == "ComputerName"
		case xml.CharData:
			name += string(x)
		case xml.EndElement:
			if name = strings.TrimSpace(name); within && !windowsName(name) {
				return fmt.Errorf("%q is no name for Windows, which takes 1 to %d letters, digits, hyphens and underscores, not only digits", Clean(name, 80), maxWindowsName)
			}
			name, within = "", false
		}
	}
}

// windowsName tells whether Windows takes a name from an answer file; * makes it draw one.
func windowsName(s string) bool {
	plain := strings.ReplaceAll(s, "_", "-")
	return s == "*" || s != "" && len(s) <= maxWindowsName && plain == hostname(plain) && strings.Trim(s, "0123456789") != ""
}

// hostname makes a name one that every operating system takes (RFC 1123, section 2.1).
func hostname(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, s)
	return strings.Trim(s[:min(len(s), 63)], "-")
}

// number returns the digits that a name ends with.
func number(name string) string {
	return name[len(strings.TrimRight(name, "0123456789")):]
}

// hostnameOf is the name that a room's pattern gives a computer; "" without one.
func (t Template) hostnameOf(c Computer, r Room) string {
	return hostname(strings.NewReplacer("{room}", localName(r.Name), "{name}", c.Name, "{number}", number(c.Name)).Replace(t.Hostname))
}

// personal fills in a room's template for one computer. ok is false when nothing is the computer's own.
func (f *Fleet) personal(c Computer, r Room) (p Personal, ok bool, err error) {
	t := r.Template
	if t.Hostname == "" && t.Answer == "" && !t.Keys {
		return p, false, nil
	}
	n := number(c.Name)
	if n == "" && strings.Contains(t.Hostname+t.Answer, "{number}") {
		return p, false, fmt.Errorf("the name of %s ends with no number", c.Name)
	}
	mac := ""
	if len(c.MACs) > 0 {
		mac = c.MACs[0]
	}
	p.Hostname, p.Path = t.hostnameOf(c, r), t.Path
	p.Answer = strings.NewReplacer("{room}", localName(r.Name), "{name}", c.Name, "{number}", n, "{mac}", mac, "{serial}",
		harmless(c.Inventory.Serial)).Replace(t.Answer)
	if err := checkAnswer(t.Path, p.Answer); err != nil {
		return p, false, fmt.Errorf("the answer file of %s: %w", c.Name, err)
	}
	if !t.Keys {
		return p, true, nil
	}
	if len(f.o.Secret) < 32 {
		return p, false, fmt.Errorf("the site has no secret that keys are derived from")
	}
	p.Seed, err = hkdf.Key(sha256.New, f.o.Secret, nil, "ardoise computer 1 "+c.ID, 32)
	return p, true, err
}

// harmless makes a string of firmware's one that ends no quotation and begins no element in an answer file.
func harmless(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_. ", r) {
			return r
		}
		return '_'
	}, s)
}

// ownBytes are the exceptions of one computer on one version, for as long as nothing that they are made of changes.
type ownBytes struct {
	of         string // digest of what they are made of
	exceptions []job.Exception
	skipped    string // what of it the master has no place for, for a person; "" for nothing
	err        error  // why they cannot be planned
}

// planTime bounds the reading of a master for one computer's exceptions.
const planTime = 2 * time.Minute

// own says what of a version would be a computer's own: a digest of it, "" for nothing. The caller holds mu or deciding.
func (f *Fleet) own(c Computer, manifest string) (p Personal, digest string, err error) {
	r, _ := f.roomOf(c)
	p, some, err := f.personal(c, r)
	if err != nil || !some || manifest == "" {
		return p, "", err
	}
	if twin := f.twin(c, r, p.Hostname); twin != "" {
		return p, "", fmt.Errorf("%s would be called %s in its room, as %s would: give one of them another name", c.Name, p.Hostname, twin)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %x", manifest, p.Hostname, p.Path, p.Answer, p.Seed))
	return p, hex.EncodeToString(sum[:]), nil
}

// exceptions plans what is a computer's own on a version. It reads the master, so it holds no lock that others wait for.
func (f *Fleet) exceptions(ctx context.Context, computer, manifest string) ownBytes {
	f.planning.Lock() // one at a time: a room asks at once, and each holds chunks in memory
	defer f.planning.Unlock()
	f.mu.RLock()
	c, _ := f.computers.get(computer)
	p, of, err := f.own(c, manifest)
	known := f.planned[computer]
	f.mu.RUnlock()
	switch {
	case err != nil:
		return ownBytes{err: err}
	case of == "":
		return ownBytes{}
	case known.of == of:
		return known
	case f.o.Personal == nil:
		return ownBytes{of: of, err: errors.New("this server cannot give computers names of their own")}
	}
	if !f.may(computer+"/own", bounds{20, time.Minute}) {
		return ownBytes{of: of, err: errors.New("what its names are made of changes too often")}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), planTime) // who asks may have gone; it asks again
	defer cancel()
	out, skipped, err := f.o.Personal.Exceptions(ctx, manifest, p)
	if err == nil && len(out) == 0 && len(skipped) > 0 {
		err = errors.New(skipped[0]) // a room of equal names is not a deployed room
	}
	if err != nil {
		return ownBytes{of: of, err: fmt.Errorf("planning the names and keys of %s: %w", c.Name, err)}
	}
	planned := ownBytes{of: of, exceptions: out, skipped: Clean(strings.Join(skipped, "; "), 500)}
	f.mu.Lock()
	f.planned[computer] = planned
	f.mu.Unlock()
	return planned
}

// twin names another computer of the room to which its pattern gives the same name; "" where there is none. The caller holds mu
// or deciding.
func (f *Fleet) twin(c Computer, r Room, name string) string {
	if name == "" {
		return ""
	}
	for _, o := range f.computers.sorted {
		if o.ID != c.ID && o.State == Enrolled && strings.EqualFold(o.Room, r.Name) && strings.EqualFold(r.Template.hostnameOf(*o, r), name) {
			return o.Name
		}
	}
	return ""
}
