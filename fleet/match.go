package fleet

import (
	"slices"
	"strings"

	"github.com/ardoise/ardoise/imaging/job"
)

// badUUID tells whether a SMBIOS UUID identifies nobody: boards leave the factory with these by the thousand.
func badUUID(s string) bool {
	hex := strings.ReplaceAll(strings.ToLower(s), "-", "")
	if len(hex) != 32 || strings.Trim(hex, "0123456789abcdef") != "" {
		return true
	}
	if strings.Count(hex, hex[:1]) == 32 {
		return true // all zeros, all ones, and the like
	}
	for _, prefix := range []string{
		"0300020004000500000600070008000", // AMI's sample table, bytes as printed big-endian
		"0002000300040005000600070008000", // the same, printed little-endian
		"123456781234567890abcddeefaabbcc",
		"0123456789abcdef",
		"ffffffff00000000",
		"fefefefefefefefe",
	} {
		if strings.HasPrefix(hex, prefix) {
			return true
		}
	}
	return false
}

// badSerial tells whether a serial number is what a vendor forgot to fill in.
func badSerial(s string) bool {
	s = strings.ToLower(strings.TrimSpace(s))
	if len(s) < 4 || strings.Trim(s, "0. -x") == "" || strings.Count(s, s[:1]) == len(s) {
		return true
	}
	return slices.Contains([]string{"to be filled by o.e.m.", "default string", "system serial number", "not specified",
		"not applicable", "none", "n/a", "o.e.m.", "oem", "invalid", "123456789", "1234567890", "0123456789",
		"chassis serial number", "unknown", "not available"}, s)
}

// Weights of the three traits that suggest a record. A lone MAC address suggests, but docks and dongles are handed
// around and clone addresses: a computer that also shows another UUID or serial is another computer.
const (
	weightUUID   = 2
	weightSerial = 1
	weightMAC    = 1
)

// traits are what a computer shows of itself without proof.
type traits struct {
	uuid   string
	maker  string // of serial; "": a list that was imported did not say
	serial string // of the computer, or of its board with two slashes before it
	macs   []string
}

func traitsOf(in job.Inventory, macs []string) traits {
	t := traits{macs: macs}
	if !badUUID(in.UUID) {
		t.uuid = strings.ToLower(in.UUID)
	}
	switch {
	case !badSerial(in.Serial):
		t.maker, t.serial = strings.ToLower(in.Manufacturer), strings.ToLower(in.Serial)
	case !badSerial(in.BoardSerial):
		t.maker, t.serial = strings.ToLower(in.Manufacturer), strings.ToLower("//"+in.BoardSerial)
	}
	return t
}

// sameSerial tells whether two computers show one serial number: two makers may give the same to two.
func sameSerial(a, b traits) bool {
	return a.serial != "" && a.serial == b.serial && (a.maker == b.maker || a.maker == "" || b.maker == "")
}

// likeness says how much two computers look like one: above zero, one suggests the other.
func likeness(a, b traits) int {
	score := 0
	judge := func(known, equal bool, weight int) {
		switch {
		case known && equal:
			score += weight
		case known:
			score -= weight
		}
	}
	judge(a.uuid != "" && b.uuid != "", a.uuid == b.uuid, weightUUID)
	judge(a.serial != "" && b.serial != "", sameSerial(a, b), weightSerial)
	shared := slices.ContainsFunc(a.macs, func(m string) bool { return slices.Contains(b.macs, m) })
	judge(len(a.macs) > 0 && len(b.macs) > 0, shared, weightMAC)
	return score
}

// strangers tells whether two computers that have one key are two: board, serial number and addresses, as far as both
// show them, all differ. A disk was moved, or a key copied; what was ordered for one must not reach the other. A computer
// with a new network card, or a new board in the old case, still shows something that is known.
func strangers(a, b traits) bool {
	board := a.uuid != "" && b.uuid != "" || a.serial != "" && b.serial != ""
	same := a.uuid != "" && a.uuid == b.uuid || sameSerial(a, b) ||
		slices.ContainsFunc(a.macs, func(m string) bool { return slices.Contains(b.macs, m) })
	return board && !same
}

// suggest returns the enrolled record that t looks most like among those that may say hello from a site, and, where there is
// none, among those that may not; nil for nobody. The caller holds the fleet's lock.
func (f *Fleet) suggest(t traits, site string) (here, elsewhere *Computer) {
	var best [2]*Computer
	var top [2]int
	for _, c := range f.computers.showing(t) {
		if c.State != Enrolled {
			continue
		}
		i := 0
		if !f.mayComeFrom(c, site) {
			i = 1
		}
		s := likeness(t, traitsOf(c.Inventory, c.MACs))
		if s > top[i] || s == top[i] && best[i] != nil && c.ID < best[i].ID {
			best[i], top[i] = c, s
		}
	}
	if best[0] != nil {
		return best[0], nil // a board of the same number in another school is nobody's business
	}
	return nil, best[1]
}

// mayComeFrom tells whether a record's computer may say hello from a site. Where nobody has said which networks its site
// has, it may from those that no other site has. The caller holds mu or deciding.
func (f *Fleet) mayComeFrom(c *Computer, site string) bool {
	home := f.siteOf(c)
	switch {
	case strings.EqualFold(home, site), c.Room == "" && c.Site == "" && c.Address == "":
		return true
	case site == "":
		return len(f.sites[fold(home)].Networks) == 0
	}
	return false
}
