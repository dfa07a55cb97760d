package pxe

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/ardoise/ardoise/pxe/grub"
)

// Booter is asked what a machine should start, and told what it does. It is the only thing that pxe needs of the rest.
type Booter interface {
	// Boot answers what this machine should start now. It must answer within milliseconds: firmware waits.
	Boot(ctx context.Context, m Machine) (Choice, error)
	// Saw takes an event of a machine, or of the network. It must not block.
	Saw(e Event)
}

// Machine is what a boot request says of its sender. Nothing of it is proven.
type Machine struct {
	MAC  net.HardwareAddr
	UUID string     // as in option 97, in the byte order that Linux prints; "" when it was not sent
	Arch uint16     // option 93: 0 BIOS, 6 UEFI x86-32, 7 and 9 UEFI x86-64, 16 HTTP x86-64 ...
	IP   netip.Addr // once it has one
}

// Action is what a machine should start.
type Action string

// The actions. Nothing that destroys is ever decided here: the agent does that after it has proven itself.
const (
	StartDisk  Action = "disk"
	StartAgent Action = "agent"
	StartMenu  Action = "menu" // the room's start menu, whose entries start the disk or the agent
)

// Choice answers Booter.Boot.
type Choice struct {
	Action    Action
	Chainload bool   // start the disk from GRUB instead of by "not found": for firmware that stops after a failed PXE
	Style     Style  // offer style that worked for this computer; "" to find one
	Arguments string // kernel command line of the agent, without the server's address
	// Menu says what StartMenu shows. Its Arguments are made here, of Server.Arguments and those above.
	Menu grub.MenuOptions
}

// Style is the shape of a proxy-DHCP offer.
type Style string

// The styles, tried in this order when a PC keeps asking.
const (
	StyleG Style = "G" // everything in the offer, discovery control 8, boot servers, menu, prompt
	StyleB Style = "B" // no option 43, file in the offer and in the answer on port 4011
	StyleA Style = "A" // option 43 with discovery control alone
)

// Event is one thing seen on the way of a machine, for people and for the boot-loop guard.
type Event struct {
	Time   time.Time
	MAC    net.HardwareAddr // nil when it concerns the network
	Stage  Stage
	Detail string // "bootx64.efi, 1.0 MB in 0.5 s", "10.0.0.9 also answers PXE"
	Style  Style  // of the offer, with StageOffer and StageLoader
	// Asker is who fetched the configuration of MAC, where the neighbour table says that it was another machine; else nil.
	Asker net.HardwareAddr
}

// Stage is how far a machine has come.
type Stage string

// The stages.
const (
	StageDiscover Stage = "discover" // asked by DHCP
	StageOffer    Stage = "offer"    // we answered
	StageLoader   Stage = "loader"   // fetched the first loader
	StageConfig   Stage = "config"   // fetched its GRUB configuration
	StageKernel   Stage = "kernel"   // fetched the kernel
	StageInitrd   Stage = "initrd"   // fetched stage one
	StageLocal    Stage = "local"    // was sent to its disk
	StageForeign  Stage = "foreign"  // another server answers PXE here, or the DHCP server names a boot file
	StageRefused  Stage = "refused"  // asked for something we do not serve: 32-bit UEFI
	StageIgnored  Stage = "ignored"  // keeps asking and takes none of our offers
)
