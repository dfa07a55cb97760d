package fleet

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
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
	if t.Hostname != "" {
		p.Hostname = hostname(strings.NewReplacer("{room}", localName(r.Name), "{name}", c.Name, "{number}", n).Replace(t.Hostname))
	}
	p.Path = t.Path
	p.Answer = strings.NewReplacer("{room}", localName(r.Name), "{name}", c.Name, "{number}", n, "{mac}", mac, "{serial}",
		harmless(c.Inventory.Serial)).Replace(t.Answer)
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
