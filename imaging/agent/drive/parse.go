package drive

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/ardoise/ardoise/imaging/disk/command"
	"github.com/ardoise/ardoise/imaging/job"
)

// page is the length of every answer that is asked for, bytes.
const page = 512

// Health is what a drive says of how it is. Counts that a drive does not tell are -1.
type Health struct {
	Failing     bool  // the drive itself says that it is: SMART status, NVMe critical warning
	Warning     uint8 // NVMe: the bits of the critical warning
	Reallocated int64 // ATA: sectors that were replaced
	Pending     int64 // ATA: sectors that wait to be
	Reported    int64 // ATA: faults that could not be corrected, reported to hosts
	MediaErrors int64 // NVMe: the same
	Used        int64 // percent of the life of the medium, may be over 100; ATA: of flash
	Spare       int64 // NVMe: percent of the spare blocks that are left
	PowerOn     int64 // hours under power
	Celsius     int64 // temperature now; unknownCelsius where it is not told
}

// unknownCelsius is below everything that a drive may say.
const unknownCelsius = -274

// Told is the same for an inventory.
func (h Health) Told() *job.DiskHealth {
	t := &job.DiskHealth{State: job.HealthOK, Says: h.String(), PowerOnHours: h.PowerOn, Used: h.Used, Spare: h.Spare,
		Reallocated: h.Reallocated, Pending: h.Pending, MediaErrors: max(h.MediaErrors, h.Reported), Celsius: h.Celsius}
	if h.Failing {
		t.State = job.HealthFailing
	}
	return t
}

// String says it in a few words, in English: "SMART: 12 reallocated, 3 pending".
func (h Health) String() string {
	var parts []string
	add := func(n int64, format string) {
		if n >= 0 {
			parts = append(parts, fmt.Sprintf(format, n))
		}
	}
	if h.Warning != 0 {
		parts = append(parts, "critical warning: "+warnings(h.Warning))
	} else if h.Failing {
		parts = append(parts, "the drive says that it is failing")
	}
	add(h.Reallocated, "%d reallocated")
	add(h.Pending, "%d pending")
	add(h.Reported, "%d uncorrectable")
	add(h.MediaErrors, "%d media faults")
	add(h.Used, "%d %% of its life used")
	add(h.Spare, "%d %% spare left")
	if len(parts) == 0 {
		return "SMART: no threshold exceeded"
	}
	return "SMART: " + strings.Join(parts, ", ")
}

// warnings names the bits of an NVMe critical warning.
func warnings(bits uint8) string {
	var names []string
	for i, n := range []string{"spare blocks used up", "too hot or too cold", "reliability degraded", "read only", "backup of its memory failed", "persistent memory unreliable"} {
		if bits>>i&1 != 0 {
			names = append(names, n)
		}
	}
	return strings.Join(names, ", ")
}

// unknown is the state of a drive that tells nothing.
func unknown() Health {
	return Health{Reallocated: -1, Pending: -1, Reported: -1, MediaErrors: -1, Used: -1, Spare: -1, PowerOn: -1, Celsius: unknownCelsius}
}

// parseNVMe reads a SMART / Health Information page (NVMe 2.0, figure 207). ok is false when it is none.
//
//	0  1  critical warning        48 16  data units written, thousands of 512 bytes, rounded up
//	1  2  temperature, K          80 16  host write commands
//	3  1  available spare, %     128 16  hours under power
//	4  1  its threshold, %       144 16  unsafe shutdowns
//	5  1  percentage used        160 16  media and data integrity faults
func parseNVMe(b []byte) (h Health, c *job.WriteCounter, ok bool) {
	h = unknown()
	if len(b) < page {
		return h, nil, false
	}
	kelvin := binary.LittleEndian.Uint16(b[1:])
	units, unitsOK := counter128(b[48:])
	commands, commandsOK := counter128(b[80:])
	unsafe, unsafeOK := counter128(b[144:])
	media, mediaOK := counter128(b[160:])
	hours, hoursOK := counter128(b[128:])
	// A page of zeros, of 0xFF, or of something else: bits 6 and 7 of the warning are reserved, percents end at 100, and
	// nothing works below 200 K or above 400 K (0: not told).
	if b[0]&0xC0 != 0 || b[3] > 100 || b[4] > 100 || kelvin != 0 && (kelvin < 200 || kelvin > 400) ||
		!unitsOK || !commandsOK || !unsafeOK || !mediaOK || isZero(b[:192]) {
		return h, nil, false
	}
	h.Warning, h.Failing = b[0], b[0] != 0
	h.Spare, h.Used, h.MediaErrors = int64(b[3]), int64(b[5]), int64(media)
	if hoursOK && hours < maxHours {
		h.PowerOn = int64(hours)
	}
	if kelvin != 0 {
		h.Celsius = int64(kelvin) - 273
	}
	// A drive that was partitioned was written to: one that counts nothing at all does not count.
	if units > 0 && commands > 0 {
		c = &job.WriteCounter{Source: "nvme", Commands: commands, Sectors: units, Unsafe: unsafe}
	}
	return h, c, true
}

// counter128 reads a counter of 128 bits. What does not fit into 63 bits no drive has done.
func counter128(b []byte) (uint64, bool) {
	low, high := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	return low, high == 0 && low < 1<<63
}

// The flags of a device statistic (ACS-4 9.5.3.1).
const (
	statSupported = 0x80
	statValid     = 0x40
)

// parseGeneral reads the General Statistics page of the Device Statistics log (ACS-4 9.5.4). Each statistic is a quadword,
// its flags in the highest byte, its value in the lower ones.
//
//	 0  8  header: revision in bytes 0-1, page number in byte 2
//	 8  8  lifetime power-on resets, 32 bits
//	24  8  logical sectors written, 48 bits
func parseGeneral(b []byte) *job.WriteCounter {
	if len(b) < page || b[2] != 0x01 || binary.LittleEndian.Uint16(b) == 0 || b[3]|b[4]|b[5]|b[6]|b[7] != 0 {
		return nil
	}
	if b[31]&(statSupported|statValid) != statSupported|statValid || b[30] != 0 {
		return nil
	}
	sectors := binary.LittleEndian.Uint64(b[24:]) & (1<<48 - 1)
	if sectors == 0 || sectors == 1<<48-1 {
		return nil
	}
	return &job.WriteCounter{Source: "ata-statistics", Sectors: sectors}
}

// maxHours is what no drive has been under power: a century.
const maxHours = 100 * 366 * 24

// parseWear reads the Solid State Device Statistics page of the Device Statistics log (ACS-4 9.5.10): the percentage of
// its endurance that was used, 8 bits, as the first statistic.
func parseWear(b []byte) (used int64, ok bool) {
	if len(b) < page || b[2] != 0x07 || binary.LittleEndian.Uint16(b) == 0 || b[15]&(statSupported|statValid) != statSupported|statValid {
		return -1, false
	}
	return int64(b[8]), true
}

// The attributes that all vendors number alike.
const (
	attrReallocated = 5
	attrPowerOn     = 9
	attrAirflow     = 190
	attrCelsius     = 194
	attrReported    = 187
	attrPending     = 197
)

// parseSMART reads the data of SMART READ DATA: 30 attributes of 12 bytes from byte 2 on, the number first, a raw value of
// 48 bits at byte 5; the last byte makes the sum of all 0 (ACS-4 7.48.6.2). ok is false when it is no such page.
func parseSMART(b []byte) (h Health, ok bool) {
	h = unknown()
	if len(b) < page || isZero(b[:page]) {
		return h, false
	}
	var sum byte
	for _, v := range b[:page] {
		sum += v
	}
	if sum != 0 {
		return h, false
	}
	for i := range 30 {
		a := b[2+12*i:][:12]
		// The upper two bytes are other things with some vendors: the count of sectors is in the lower four.
		raw := int64(binary.LittleEndian.Uint32(a[5:]))
		switch a[0] {
		case attrReallocated:
			h.Reallocated, ok = raw, true
		case attrReported:
			h.Reported, ok = raw, true
		case attrPending:
			h.Pending, ok = raw, true
		case attrPowerOn: // some count minutes besides in the upper bytes
			if raw &= 1<<24 - 1; raw < maxHours {
				h.PowerOn, ok = raw, true
			}
		case attrCelsius, attrAirflow: // the lowest byte; lowest and highest ever lie above it
			if c := int64(int8(a[5])); c >= -40 && (a[0] == attrCelsius || h.Celsius == unknownCelsius) {
				h.Celsius = c
			}
		}
	}
	return h, ok
}

// parseStatus reads what SMART RETURN STATUS gives back (ACS-4 7.48.8): LBA 15:8 and 23:16 are 4F C2 when the drive is
// well, F4 2C when a threshold was exceeded. ok is false when it says neither.
func parseStatus(r command.Registers) (failing, ok bool) {
	switch r.LBA >> 8 & 0xFFFF {
	case 0xC24F:
		return false, true
	case 0x2CF4:
		return true, true
	}
	return false, false
}

func isZero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}
