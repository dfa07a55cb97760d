package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/ardoise/ardoise/imaging/agent/efi"
)

// menu is what the agent calls the entry of ARDOISE. The one of the system on the disk has another name.
const menu = "Ardoise"

// startAgent has the agent start next: firmware by the network, where it has an entry for that and lets us; else the start menu
// on the disk, which is told to begin by itself. Where neither may be done, what to do is said.
func (p *pc) startAgent() {
	e, err := p.bootNext()
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		p.say(p.words.bootFault, printable(err.Error()))
	}
	if e != nil {
		p.say(p.words.bootNext, printable(e.Option.Description))
	}
	if e != nil && e.Option.Description != menu {
		return
	}
	asked, err := p.askMenu()
	switch {
	case asked:
		p.say("%s", p.words.menuBegins)
		return
	case err != nil && !errors.Is(err, fs.ErrPermission):
		p.say(p.words.menuFault, printable(err.Error()))
	}
	p.say("%s", p.words.nextStart)
}

// bootNext has firmware start the network next, or ARDOISE, and returns which; nil where it has neither, or there is no UEFI that
// can be reached.
func (p *pc) bootNext() (*efi.Entry, error) {
	if p.firmware == nil {
		return nil, nil
	}
	b, err := efi.Read(p.firmware)
	if err != nil {
		return nil, err
	}
	e := ours(b)
	if e == nil {
		return nil, nil
	}
	if err := efi.Next(p.firmware, e.Number); err != nil {
		return nil, err
	}
	return e, nil
}

// menuFirst puts our start menu before what has put itself before it. A computer without one is left as it is.
func (p *pc) menuFirst() error {
	w := p.words
	if p.firmware == nil {
		return &fault{exitRefused, w.noFirmware, w.administrator}
	}
	b, err := efi.Read(p.firmware)
	if err != nil {
		return &fault{exitIO, fmt.Sprintf(w.bootFault, err), w.callSomebody}
	}
	e := first(b, func(o efi.LoadOption) bool { return o.Description == menu })
	switch {
	case e == nil:
		p.say("%s", w.noMenu)
		return nil
	case len(b.Order) > 0 && b.Order[0] == e.Number:
		p.say("%s", w.menuIsFirst)
		return nil
	case p.sealed():
		return &fault{exitRefused, w.sealed, w.sealedHow}
	}
	if err := efi.First(p.firmware, b, e.Number); err != nil {
		return &fault{exitIO, fmt.Sprintf(w.bootFault, err), w.administrator}
	}
	p.say("%s", w.menuFirst)
	return nil
}

// first returns the first active entry in the boot order that is one of those; nil where there is none.
func first(b efi.Boot, is func(efi.LoadOption) bool) *efi.Entry {
	place := func(e *efi.Entry) int {
		if i := slices.Index(b.Order, e.Number); i >= 0 {
			return i
		}
		return len(b.Order)
	}
	var best *efi.Entry
	for i := range b.Entries {
		e := &b.Entries[i]
		if e.Option.Attributes&efi.Active != 0 && is(e.Option) && (best == nil || place(e) < place(best)) {
			best = e
		}
	}
	return best
}

// ours is the first entry of an IPv4 network card in the boot order: the server knows of the reset and has the agent
// started. Without one it is the entry of ARDOISE on the disk. nil: neither.
func ours(b efi.Boot) *efi.Entry {
	// UEFI 10.3.4.12 IPv4, not 10.3.4.22 HTTP
	if e := first(b, func(o efi.LoadOption) bool { return o.Is(3, 12) && !o.Is(3, 24) }); e != nil {
		return e
	}
	return first(b, func(o efi.LoadOption) bool { return o.Description == menu })
}
