package wipe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/ardoise/ardoise/imaging/disk/command"
	"github.com/ardoise/ardoise/imaging/job"
)

// Admin sends commands to the admin queue of a controller.
type Admin interface {
	Admin(c command.Admin, data []byte) (result uint32, err error)
}

// NVMe is a namespace of a controller as a Drive.
type NVMe struct {
	Queue     Admin
	Namespace uint32
}

var _ Drive = NVMe{}

// The admin commands, and what they ask for.
const (
	opcodeLog      = 0x02
	opcodeIdentify = 0x06
	opcodeFormat   = 0x80
	opcodeSanitize = 0x84

	logSanitize = 0x81

	cnsNamespace  = 0x00
	cnsController = 0x01
	cnsActive     = 0x02

	identifySize = 4096
	sanitizeSize = 512
	question     = 15 * time.Second // a drive may sleep
	longest      = 24 * time.Hour   // a command that erases at one go
)

// The actions of Sanitize, CDW10 bits 2:0, and the bit that lets a failed one be left (AUSE).
const (
	actionLeave    = 1
	actionBlock    = 2
	actionCrypto   = 4
	sanitizeUnlock = 1 << 3
)

// The codes of our ways.
const (
	wayBlock = iota + 1
	wayCrypto
	wayFormat
	wayFormatCrypto
)

// controller is what of Identify Controller counts here (NVMe 2.0 figure 275).
//
//	256  2  OACS: bit 1 Format, bit 3 namespace management
//	296 16  unallocated capacity, bytes
//	328  4  SANICAP: bit 0 crypto erase, bit 1 block erase, bit 2 overwrite
//	516  4  number of namespaces
//	524  1  FNA: bit 0 format is for all, bit 1 secure erase is for all, bit 2 crypto erase is known
type controller struct {
	format, manages          bool
	unallocated              int64
	block, crypto, overwrite bool
	namespaces               uint32
	forAll, cryptoFormat     bool
}

func parseController(b []byte) (c controller, err error) {
	if len(b) < identifySize {
		return c, errors.New("identify controller is cut short")
	}
	oacs, sani, fna := binary.LittleEndian.Uint16(b[256:]), binary.LittleEndian.Uint32(b[328:]), b[524]
	c.namespaces = binary.LittleEndian.Uint32(b[516:])
	// A page of zeros or of ones is no controller: it has at least one namespace, and reserved bits are 0.
	if c.namespaces == 0 || c.namespaces == math.MaxUint32 || fna&0xF0 != 0 {
		return c, errors.New("identify controller makes no sense")
	}
	c.format, c.manages = oacs&2 != 0, oacs&8 != 0
	if c.manages {
		low, high := binary.LittleEndian.Uint64(b[296:]), binary.LittleEndian.Uint64(b[304:])
		if high == 0 && low < 1<<62 {
			c.unallocated = int64(low)
		}
	}
	c.crypto, c.block, c.overwrite = sani&1 != 0, sani&2 != 0, sani&4 != 0
	c.forAll, c.cryptoFormat = fna&3 != 0, fna&4 != 0
	return c, nil
}

// formatOf returns what Format has to be told so that a namespace stays as it is, CDW10 without the secure erase (NVMe 2.0
// figures 97 and 330; 5.14).
//
//	25  1  number of formats less one     26  1  FLBAS: 3:0 and 6:5 format, 4 metadata in line     29  1  DPS: 2:0 type, 3 place
func formatOf(b []byte) (uint32, error) {
	if len(b) < identifySize || binary.LittleEndian.Uint64(b) == 0 {
		return 0, errors.New("identify namespace makes no sense")
	}
	formats, flbas, dps := uint32(b[25]), uint32(b[26]), uint32(b[29])
	if formats > 63 {
		return 0, errors.New("identify namespace names too many formats")
	}
	low, high := flbas&0xF, flbas>>5&3
	if formats <= 15 {
		high = 0 // reserved there
	}
	if high<<4|low > formats {
		return 0, errors.New("identify namespace names a format that there is not")
	}
	return low | flbas>>4&1<<4 | dps&7<<5 | dps>>3&1<<8 | high<<12, nil
}

// sanitizeLog is the Sanitize Status page (NVMe 2.0 figure 263).
//
//	0  2  progress, 65,536ths     4  4  CDW10 of the command
//	2  2  2:0 status: 0 never, 1 done, 2 going on, 3 failed, 4 done, all deallocated
//	12 4  seconds that a block erase takes, 16 4 a crypto erase; all ones: not told
type sanitizeLog struct {
	progress      float64
	never         bool
	state         State
	action        uint32
	block, crypto time.Duration
}

func parseSanitize(b []byte) (l sanitizeLog, err error) {
	if len(b) < 32 {
		return l, errors.New("sanitize status is cut short")
	}
	l.progress = float64(binary.LittleEndian.Uint16(b)) / 65536
	l.action = binary.LittleEndian.Uint32(b[4:]) & 7
	l.block, l.crypto = estimate(b[12:]), estimate(b[16:])
	switch binary.LittleEndian.Uint16(b[2:]) & 7 {
	case 0:
		l.never = true
		l.state = Failed
	case 1, 4:
		l.state = Complete
	case 2:
		l.state = Running
	case 3:
		l.state = Failed
	default:
		return l, errors.New("sanitize status makes no sense")
	}
	return l, nil
}

func estimate(b []byte) time.Duration {
	s := binary.LittleEndian.Uint32(b)
	if s == math.MaxUint32 || s > 30*24*3600 {
		return 0
	}
	return time.Duration(s) * time.Second
}

func (n NVMe) identify(cns uint32, nsid uint32) ([]byte, error) {
	b := make([]byte, identifySize)
	_, err := n.Queue.Admin(command.Admin{Opcode: opcodeIdentify, NSID: nsid, CDW: [6]uint32{cns}, Timeout: question}, b)
	return b, err
}

func (n NVMe) log() (sanitizeLog, error) {
	b := make([]byte, sanitizeSize)
	c := command.Admin{Opcode: opcodeLog, NSID: command.AllNamespaces, CDW: [6]uint32{(sanitizeSize/4-1)<<16 | logSanitize}, Timeout: question}
	if _, err := n.Queue.Admin(c, b); err != nil {
		return sanitizeLog{}, fmt.Errorf("asking for the sanitize status: %w", err)
	}
	return parseSanitize(b)
}

// others tells whether the controller has, or may have, namespaces besides ours.
func (n NVMe) others(c controller) bool {
	if c.namespaces == 1 {
		return false
	}
	b, err := n.identify(cnsActive, 0)
	if err != nil {
		return true
	}
	return binary.LittleEndian.Uint32(b) != n.Namespace || binary.LittleEndian.Uint32(b[4:]) != 0
}

// Look implements Drive.
func (n NVMe) Look() (Abilities, error) {
	var a Abilities
	b, err := n.identify(cnsController, 0)
	if err != nil {
		return a, fmt.Errorf("identifying the controller: %w", err)
	}
	c, err := parseController(b)
	if err != nil {
		return a, err
	}
	a.Hidden = c.unallocated
	alone := !n.others(c)
	if !alone {
		a.Why = append(a.Why, "The controller has other namespaces, which Sanitize would erase, too.")
	} else {
		n.sanitizes(c, &a)
	}
	switch {
	case !c.format:
		a.Why = append(a.Why, "It has no Format.")
	case c.forAll && !alone:
		a.Why = append(a.Why, "Its Format would erase the other namespaces, too.")
	default:
		a.Ways = append(a.Ways, Way{Method: job.WipeSecureErase, Name: "NVMe Format, user data erase", Whole: true, code: wayFormat})
		if c.cryptoFormat {
			a.Ways = append(a.Ways, Way{Method: job.WipeSecureErase, Name: "NVMe Format, crypto erase", Whole: true, code: wayFormatCrypto,
				Notes: []string{noteOfCrypto}})
		}
	}
	return a, nil
}

const noteOfCrypto = "The drive reports that it has changed the key under which it keeps everything; what was kept under the old one can no longer be read."

func (n NVMe) sanitizes(c controller, a *Abilities) {
	if !c.block && !c.crypto {
		a.Why = append(a.Why, "It has no Sanitize with block erase or crypto erase.")
		return
	}
	l, err := n.log()
	if err != nil {
		a.Why = append(a.Why, fmt.Sprintf("Its Sanitize cannot be followed: %v.", err))
		return
	}
	block := Way{Method: job.WipeSanitize, Name: "NVMe Sanitize, block erase", Takes: l.block, code: wayBlock}
	crypto := Way{Method: job.WipeSanitize, Name: "NVMe Sanitize, crypto erase", Takes: l.crypto, code: wayCrypto, Notes: []string{noteOfCrypto}}
	if c.block {
		a.Ways = append(a.Ways, block)
	}
	if c.crypto {
		a.Ways = append(a.Ways, crypto)
	}
	if !l.never && l.state != Complete { // one that has failed keeps all reads and writes away until that is acknowledged
		a.Running = &Way{Method: job.WipeSanitize, Name: "NVMe Sanitize"}
	}
}

// Start implements Drive.
func (n NVMe) Start(w Way) error {
	switch w.code {
	case wayBlock, wayCrypto:
		action := uint32(actionBlock)
		if w.code == wayCrypto {
			action = actionCrypto
		}
		_, err := n.Queue.Admin(command.Admin{Opcode: opcodeSanitize, CDW: [6]uint32{action | sanitizeUnlock}, Timeout: time.Minute}, nil)
		return err
	case wayFormat, wayFormatCrypto:
		b, err := n.identify(cnsNamespace, n.Namespace)
		if err != nil {
			return err
		}
		how, err := formatOf(b)
		if err != nil {
			return err
		}
		how |= map[byte]uint32{wayFormat: 1, wayFormatCrypto: 2}[w.code] << 9
		if _, err := n.Queue.Admin(command.Admin{Opcode: opcodeFormat, NSID: n.Namespace, CDW: [6]uint32{how}, Timeout: longest}, nil); err != nil {
			return &FailedError{w.Name, err}
		}
		return nil
	}
	return fmt.Errorf("%s is no way of an NVMe drive", w.Name)
}

// Status implements Drive. Format is over when Start returns.
func (n NVMe) Status(w Way) (Status, error) {
	if w.code == wayFormat || w.code == wayFormatCrypto {
		return Status{State: Complete}, nil
	}
	l, err := n.log()
	if err != nil {
		return Status{}, err
	}
	want := map[byte]uint32{wayBlock: actionBlock, wayCrypto: actionCrypto}[w.code]
	switch {
	case l.state == Failed && !l.never:
		// In failure mode it would refuse all reads and writes.
		_, err := n.Queue.Admin(command.Admin{Opcode: opcodeSanitize, CDW: [6]uint32{actionLeave}, Timeout: time.Minute}, nil)
		if err != nil {
			return Status{State: Failed}, nil // the next one may succeed, which leaves it as well
		}
	case want != 0 && l.action != want:
		return Status{}, errors.New("the drive speaks of another sanitize than ours")
	}
	return Status{State: l.state, Share: l.progress}, nil
}
