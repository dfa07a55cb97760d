package main

import (
	"errors"
	"io/fs"
	"slices"

	"github.com/ardoise/ardoise/imaging/agent/efi"
)

// menu is what the agent calls the entry of ARDOISE. The one of the system on the disk has another name.
const menu = "Ardoise"

// startAgent has firmware start the agent next, where it has an entry of the network or ours and lets us. Where not, that
// is said: the start menu, or the server, sees to it.
func (p *pc) startAgent() {
	if p.firmware == nil {
		p.say("%s", p.words.nextStart)
		return
	}
	b, err := efi.Read(p.firmware)
	if err == nil {
		if e := ours(b); e != nil {
			if err = efi.Next(p.firmware, e.Number); err == nil {
				p.say(p.words.bootNext, printable(e.Option.Description))
				return
			}
		}
	}
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		p.say(p.words.bootFault, printable(err.Error()))
	}
	p.say("%s", p.words.nextStart)
}

// ours is the first entry of an IPv4 network card in the boot order: the server knows of the reset and has the agent
// started. Without one it is the entry of ARDOISE on the disk, whose menu offers the reset. nil: neither.
func ours(b efi.Boot) *efi.Entry {
	place := func(e efi.Entry) int {
		if i := slices.Index(b.Order, e.Number); i >= 0 {
			return i
		}
		return len(b.Order)
	}
	var network, disk *efi.Entry
	for i := range b.Entries {
		e := &b.Entries[i]
		o := e.Option
		switch {
		case o.Attributes&efi.Active == 0:
		case o.Is(3, 12) && !o.Is(3, 24): // UEFI 10.3.4.12 IPv4, not 10.3.4.22 HTTP
			if network == nil || place(*e) < place(*network) {
				network = e
			}
		case o.Description == menu:
			disk = e
		}
	}
	if network != nil {
		return network
	}
	return disk
}
