package wipe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/ardoise/ardoise/imaging/disk/command"
	"github.com/ardoise/ardoise/imaging/job"
)

// Taskfiles sends ATA commands.
type Taskfiles interface {
	Do(t command.Taskfile, data []byte) (command.Registers, error)
}

// ATA is a SATA disk as a Drive.
type ATA struct{ Port Taskfiles }

var _ Drive = ATA{}

// The commands.
const (
	ataNativeMax     = 0x27 // READ NATIVE MAX ADDRESS EXT
	ataAccessibleMax = 0x78 // feature 0: GET NATIVE MAX ADDRESS EXT
	ataConfiguration = 0xB1 // feature C2h: DEVICE CONFIGURATION IDENTIFY
	ataSanitize      = 0xB4
	ataIdentify      = 0xEC
	ataSetPassword   = 0xF1
	ataErasePrepare  = 0xF3
	ataEraseUnit     = 0xF4
	ataUnlock        = 0xF2
	ataDisable       = 0xF6

	ataSector = 512
	lba       = 0x40 // DEVICE: LBA is meant

	sanitizeStatus    = 0x00
	sanitizeCrypto    = 0x11
	sanitizeBlock     = 0x12
	sanitizeOverwrite = 0x14
	keyCrypto         = 0x43727970     // "Cryp"
	keyBlock          = 0x426B4572     // "BkEr"
	keyOverwrite      = 0x4F5700000000 // "OW", pattern 0
	allowFailureExit  = 1 << 4         // COUNT: FAILURE MODE bit
)

// The codes of our ways.
const (
	wayATABlock = iota + 16
	wayATACrypto
	wayATAOverwrite
	wayEnhanced
	wayNormal
)

// password is what a drive is locked with while it erases itself. It protects nothing: it must be known to whoever finds
// the drive locked after a power cut.
const password = "ardoise"

// identity is what of IDENTIFY DEVICE counts here (ACS-4 7.13), 256 words.
//
//	59  12 sanitize, 13 crypto scramble, 14 overwrite, 15 block erase
//	82  1 security, 10 HPA          83  11 DCO      119  8 accessible max address (with 15:14 = 01)
//	89  minutes of a normal erase, 90 of an enhanced one: 7:0 in twos; with 15 set, 14:0 in twos
//	100 sectors, 64 bits            106 15:14 = 01, 12 sectors of 117-118 words
//	128 0 security, 1 enabled, 2 locked, 3 frozen, 4 too many tries, 5 enhanced
//	255 7:0 A5h: the sum of all bytes is 0
type identity struct {
	sanitize, crypto, overwrite, block bool
	hpa, dco, amax                     bool
	security, enabled, locked          bool
	frozen, expired, enhanced          bool
	normalTakes, enhancedTakes         time.Duration
	sectors                            int64
	sectorSize                         int64
}

func parseIdentity(b []byte) (d identity, err error) {
	if len(b) < ataSector {
		return d, errors.New("identify device is cut short")
	}
	word := func(i int) uint16 { return binary.LittleEndian.Uint16(b[2*i:]) }
	if word(255)&0xFF == 0xA5 {
		var sum byte
		for _, v := range b[:ataSector] {
			sum += v
		}
		if sum != 0 {
			return d, errors.New("identify device has a wrong sum")
		}
	}
	d.sectors, d.sectorSize = int64(binary.LittleEndian.Uint64(b[200:])&(1<<48-1)), ataSector
	if word(0)&0x8000 != 0 || d.sectors == 0 || d.sectors == 1<<48-1 {
		return d, errors.New("identify device is of no disk")
	}
	if word(106)&0xD000 == 0x5000 {
		if n := int64(binary.LittleEndian.Uint32(b[234:])); n >= 256 && n <= 1<<15 {
			d.sectorSize = 2 * n
		}
	}
	w := word(59)
	d.sanitize, d.crypto, d.overwrite, d.block = w&(1<<12) != 0, w&(1<<13) != 0, w&(1<<14) != 0, w&(1<<15) != 0
	told := word(83)&0xC000 == 0x4000
	d.hpa, d.dco = told && word(82)&(1<<10) != 0, told && word(83)&(1<<11) != 0
	d.amax = word(119)&0xC000 == 0x4000 && word(119)&(1<<8) != 0
	s := word(128)
	d.security = s&1 != 0
	d.enabled, d.locked, d.frozen = d.security && s&2 != 0, d.security && s&4 != 0, d.security && s&8 != 0
	d.expired, d.enhanced = d.security && s&16 != 0, d.security && s&32 != 0
	d.normalTakes, d.enhancedTakes = eraseTime(word(89)), eraseTime(word(90))
	return d, nil
}

func eraseTime(w uint16) time.Duration {
	twos := int64(w & 0xFF)
	if w&0x8000 != 0 {
		twos = int64(w & 0x7FFF)
	}
	return time.Duration(2*twos) * time.Minute
}

func (a ATA) read(t command.Taskfile) ([]byte, error) {
	b := make([]byte, ataSector)
	t.Data, t.Timeout = command.FromDrive, question
	_, err := a.Port.Do(t, b)
	return b, err
}

func (a ATA) identify() (identity, error) {
	b, err := a.read(command.Taskfile{Registers: command.Registers{Count: 1, Command: ataIdentify}})
	if err != nil {
		return identity{}, fmt.Errorf("identifying the drive: %w", err)
	}
	return parseIdentity(b)
}

// hidden returns how many bytes lie behind the last one that can be addressed; 0 where the drive does not say.
func (a ATA) hidden(d identity) int64 {
	most := d.sectors
	ask := func(c byte) {
		r, err := a.Port.Do(command.Taskfile{Registers: command.Registers{Device: lba, Command: c}, Long: true, Reply: true, Timeout: question}, nil)
		if err == nil && r.LBA < 1<<48-1 {
			most = max(most, int64(r.LBA)+1)
		}
	}
	if d.amax {
		ask(ataAccessibleMax)
	} else if d.hpa {
		ask(ataNativeMax)
	}
	if d.dco {
		b, err := a.read(command.Taskfile{Registers: command.Registers{Feature: 0xC2, Count: 1, Command: ataConfiguration}})
		if err == nil {
			if n, ok := parseConfiguration(b); ok {
				most = max(most, n)
			}
		}
	}
	const sane = 1 << 20 // a drive does not hide a million times what it shows
	if most/sane > d.sectors {
		return 0
	}
	return (most - d.sectors) * d.sectorSize
}

// parseConfiguration reads how many sectors DEVICE CONFIGURATION IDENTIFY says that there are: words 3 to 6 are the largest
// address; the sum of all bytes is 0 where the low byte of word 255 is A5h (ACS-2 7.10.4).
func parseConfiguration(b []byte) (sectors int64, ok bool) {
	if len(b) < ataSector || b[510] != 0xA5 {
		return 0, false
	}
	var sum byte
	for _, v := range b[:ataSector] {
		sum += v
	}
	n := binary.LittleEndian.Uint64(b[6:])
	if sum != 0 || n >= 1<<48-1 {
		return 0, false
	}
	return int64(n) + 1, true
}

// Look implements Drive.
func (a ATA) Look() (Abilities, error) {
	d, err := a.identify()
	if err != nil {
		return Abilities{}, err
	}
	can := Abilities{Hidden: a.hidden(d), Locked: d.locked}
	a.sanitizes(d, &can)
	switch {
	case !d.security:
		can.Why = append(can.Why, "It has no ATA security erase.")
	case d.frozen:
		can.Why = append(can.Why, "Its ATA security is frozen by the firmware of the computer: put the computer to sleep and wake it, "+
			"or plug the disk in while it runs, or order an overwrite.")
	case d.expired:
		can.Why = append(can.Why, "Its ATA security has seen too many wrong passwords: switch the computer off and on.")
	default:
		if d.enhanced {
			can.Ways = append(can.Ways, Way{Method: job.WipeSecureErase, Name: "ATA security erase unit, enhanced", Whole: true,
				Takes: d.enhancedTakes, code: wayEnhanced})
		}
		can.Ways = append(can.Ways, Way{Method: job.WipeSecureErase, Name: "ATA security erase unit, normal", Whole: true,
			Takes: d.normalTakes, code: wayNormal, Notes: []string{"A normal erase does not reach sectors that the drive has replaced by others."}})
	}
	if d.locked {
		can.Why = append(can.Why, "It is locked by an ATA password; one that is not ours must be taken away with the tool that set it.")
	}
	return can, nil
}

func (a ATA) sanitizes(d identity, can *Abilities) {
	if !d.sanitize || !d.block && !d.crypto && !d.overwrite {
		can.Why = append(can.Why, "It has no ATA sanitize.")
		return
	}
	s, err := a.sanitizeStatus()
	switch {
	case err != nil:
		can.Why = append(can.Why, fmt.Sprintf("Its ATA sanitize cannot be followed: %v.", err))
		return
	case s.frozen:
		can.Why = append(can.Why, "Its ATA sanitize is frozen by the firmware of the computer: switch the computer off and on.")
		return
	}
	if d.block {
		can.Ways = append(can.Ways, Way{Method: job.WipeSanitize, Name: "ATA sanitize, block erase", code: wayATABlock})
	}
	if d.crypto {
		can.Ways = append(can.Ways, Way{Method: job.WipeSanitize, Name: "ATA sanitize, crypto scramble", code: wayATACrypto, Notes: []string{noteOfCrypto}})
	}
	if d.overwrite {
		can.Ways = append(can.Ways, Way{Method: job.WipeSanitize, Name: "ATA sanitize, overwrite", code: wayATAOverwrite})
	}
	if s.running {
		can.Running = &Way{Method: job.WipeSanitize, Name: "ATA sanitize", code: wayATABlock}
	}
}

// sanitizing is what SANITIZE STATUS EXT gives back: COUNT 15 the last one succeeded, 14 going on, 13 frozen; LBA 15:0 how
// far, in 65,536ths.
type sanitizing struct {
	succeeded, running, frozen bool
	share                      float64
}

func parseSanitizing(r command.Registers) sanitizing {
	return sanitizing{succeeded: r.Count&(1<<15) != 0, running: r.Count&(1<<14) != 0, frozen: r.Count&(1<<13) != 0,
		share: float64(r.LBA&0xFFFF) / 65536}
}

func (a ATA) sanitizeStatus() (sanitizing, error) {
	r, err := a.Port.Do(command.Taskfile{Registers: command.Registers{Feature: sanitizeStatus, Device: lba, Command: ataSanitize},
		Long: true, Reply: true, Timeout: question}, nil)
	if err != nil {
		return sanitizing{}, err
	}
	return parseSanitizing(r), nil
}

// Start implements Drive.
func (a ATA) Start(w Way) error {
	r := command.Registers{Count: allowFailureExit, Device: lba, Command: ataSanitize}
	switch w.code {
	case wayATABlock:
		r.Feature, r.LBA = sanitizeBlock, keyBlock
	case wayATACrypto:
		r.Feature, r.LBA = sanitizeCrypto, keyCrypto
	case wayATAOverwrite:
		r.Feature, r.LBA = sanitizeOverwrite, keyOverwrite
		r.Count |= 1 // pass
	case wayEnhanced, wayNormal:
		return a.eraseUnit(w)
	default:
		return fmt.Errorf("%s is no way of an ATA drive", w.Name)
	}
	_, err := a.Port.Do(command.Taskfile{Registers: r, Long: true, Reply: true, Timeout: time.Minute}, nil)
	return err
}

// send sends a sector with a word of control and our password.
func (a ATA) send(cmd byte, control uint16, limit time.Duration) error {
	b := make([]byte, ataSector)
	binary.LittleEndian.PutUint16(b, control)
	copy(b[2:34], password)
	_, err := a.Port.Do(command.Taskfile{Registers: command.Registers{Count: 1, Command: cmd}, Data: command.ToDrive, Timeout: limit}, b)
	return err
}

// eraseUnit sets the password, where there is none, and has the drive erase itself, which takes the password away.
func (a ATA) eraseUnit(w Way) error {
	d, err := a.identify()
	if err != nil {
		return err
	}
	if !d.enabled {
		if err := a.send(ataSetPassword, 0, question); err != nil { // the user's, security level high
			return fmt.Errorf("setting the password: %w", err)
		}
	}
	control := uint16(0)
	if w.code == wayEnhanced {
		control = 2
	}
	_, err = a.Port.Do(command.Taskfile{Registers: command.Registers{Command: ataErasePrepare}, Timeout: question}, nil)
	if err == nil {
		err = a.send(ataEraseUnit, control, max(2*w.Takes, longest))
	}
	if err == nil {
		return nil
	}
	// A drive that goes on with a password is lost to whoever does not know it.
	_ = a.send(ataUnlock, 0, question)
	if derr := a.send(ataDisable, 0, question); derr != nil && !d.enabled {
		err = errors.Join(err, fmt.Errorf("taking the password %q away again: %w", password, derr))
	}
	return &FailedError{w.Name, err}
}

// Status implements Drive. SECURITY ERASE UNIT is over when Start returns, and complete when it took the password away.
func (a ATA) Status(w Way) (Status, error) {
	if w.code == wayEnhanced || w.code == wayNormal {
		d, err := a.identify()
		if err != nil {
			return Status{}, err
		}
		if d.enabled {
			return Status{State: Failed}, nil
		}
		return Status{State: Complete}, nil
	}
	s, err := a.sanitizeStatus()
	switch {
	case err != nil:
		return Status{}, err
	case s.running:
		return Status{State: Running, Share: s.share}, nil
	case s.succeeded:
		return Status{State: Complete}, nil
	}
	return Status{State: Failed}, nil
}
