package ntfs

import (
	"bytes"
	"slices"
)

// Flags of a volume in $VOLUME_INFORMATION that say that it is not clean.
const (
	VolumeDirty         = 0x0001 // chkdsk is to look at it
	VolumeChkdskRunning = 0x4000
	VolumeChkdskChanged = 0x8000
)

// Log is what the restart pages of $LogFile say.
type Log int

const (
	LogEmpty   Log = iota // all bytes are 0xFF: made by a tool, or emptied
	LogClean              // unmounted
	LogPending            // holds changes that were never made
	LogCached             // version 2: Windows 8 or later keeps metadata in its cache, or the power failed
	LogUnknown            // no restart page is understood
)

// Info is what $Volume says.
type Info struct {
	Label string
	Flags uint16
}

// Info reads $Volume (record 3; $VOLUME_INFORMATION: 0x08 version, 0x0a flags).
func (v *Volume) Info() (Info, error) {
	f, err := v.File(RecordVolume)
	if err != nil {
		return Info{}, err
	}
	about := f.Find(TypeVolumeInformation, "")
	if about == nil || len(about.Value) < 12 {
		return Info{}, damaged("it does not say which version of NTFS it is")
	}
	if about.Value[8] != 3 && about.Value[8] != 1 {
		return Info{}, damaged("it is NTFS of version %d.%d, which is not known", about.Value[8], about.Value[9])
	}
	i := Info{Flags: le16(about.Value, 10)}
	if name := f.Find(TypeVolumeName, ""); name != nil {
		i.Label = text(name.Value)
	}
	return i, nil
}

// restart is what of a restart page is used.
type restart struct {
	major   uint16
	lsn     uint64
	pending bool
	page    int64 // bytes: the second restart page lies there
}

// parseRestart reads the first bytes of a restart page (0x08 the sequence number that chkdsk left, 0x10 bytes of a page,
// 0x18 offset of the restart area, 0x1c major version; restart area: 0x00 last log sequence number, 0x0c first client in
// use, 0x0e flags: 2 is clean). None of them lies where a fix-up could.
func parseRestart(b []byte) (restart, bool) {
	area, size := int(le16(b, 0x18)), int64(le32(b, 0x10))
	r, chkdsk := restart{major: le16(b, 0x1c), page: size}, string(b[:4]) == "CHKD"
	if !chkdsk && string(b[:4]) != "RSTR" || !power2(size) || size < stride || size > maxRecord ||
		area < 0x1e || area%8 != 0 || area+0x10 > stride-2 {
		return r, false
	}
	if r.lsn = le64(b, area); chkdsk {
		r.lsn = le64(b, 8)
	}
	r.pending = le16(b, area+0x0c) != 0xffff && le16(b, area+0x0e)&2 == 0
	return r, true
}

// maxLog is the largest journal that Windows makes, in bytes: chkdsk /L takes a number of KiB in 32 bits, and no volume in use
// comes near. Runs may lie about what they hold, so what is read of them has a limit.
const maxLog = 4 << 30

// Log reads the state of the journal. Of its two restart pages the newer one counts.
func (v *Volume) Log() (Log, error) {
	f, err := v.File(RecordLogFile)
	if err != nil {
		return LogUnknown, err
	}
	a := f.Find(TypeData, "")
	if a == nil || a.Resident || a.Size < 2*maxRecord || a.Size > maxLog || a.Flags != 0 ||
		slices.ContainsFunc(a.Runs, func(r Run) bool { return r.LCN < 0 }) {
		return LogUnknown, damaged("its journal is not understood")
	}
	b := make([]byte, stride)
	var newest restart
	known := false
	for at := int64(0); at <= maxRecord; {
		if err := v.ReadAttribute(a, b, at); err != nil {
			return LogUnknown, err
		}
		r, ok := parseRestart(b)
		if ok && (!known || r.lsn > newest.lsn) {
			newest = r
		}
		known = known || ok
		switch {
		case at > 0 && known:
			at = maxRecord + 1
		case known:
			at = newest.page
		default: // the first is lost: the second may lie at any power of two
			at = max(stride, 2*at)
		}
	}
	switch {
	case !known:
		return v.emptyLog(a)
	case newest.major == 2:
		return LogCached, nil
	case newest.major != 1:
		return LogUnknown, nil
	case newest.pending:
		return LogPending, nil
	}
	return LogClean, nil
}

// emptyLog looks whether all of a journal without restart pages is 0xFF.
func (v *Volume) emptyLog(a *Attribute) (Log, error) {
	buf := make([]byte, readBytes)
	blank := bytes.Repeat([]byte{0xff}, readBytes)
	for at := int64(0); at < a.Size; at += readBytes {
		part := buf[:min(readBytes, a.Size-at)]
		if err := v.ReadAttribute(a, part, at); err != nil {
			return LogUnknown, err
		}
		if !bytes.Equal(part, blank[:len(part)]) {
			return LogUnknown, nil
		}
	}
	return LogEmpty, nil
}

// HibernationHeader is how many bytes of hiberfil.sys Hibernated looks at.
const HibernationHeader = 4096

// Hibernated says whether the first bytes of hiberfil.sys hold a system that has gone to sleep: "hibr" hibernated or fast
// startup, "RSTR" its return was interrupted, "HORM" it returns many times. "wake" has returned, and what it left behind
// the journal tells; zeros were never used.
func Hibernated(b []byte) bool {
	if len(b) < 4 {
		return false
	}
	switch string(bytes.ToLower(b[:4])) {
	case "hibr", "rstr", "horm":
		return true
	}
	return false
}
