package volume

import (
	"bytes"
	"fmt"

	"github.com/ardoise/ardoise/masters/manifest"
)

func hasAt(head []byte, off int, magic string) bool {
	return len(head) >= off+len(magic) && string(head[off:off+len(magic)]) == magic
}

func isLUKS(head []byte, _ int64) bool { return hasAt(head, 0, "LUKS\xba\xbe") }

func readLUKS(*pager, []byte) (*Layout, error) {
	return nil, &RefusedError{Kind: "LUKS", Why: "is encrypted",
		Hint: "prepare the master without disk encryption, or capture it as it is: nothing compresses, nothing is shared"}
}

// isBitLocker knows the boot sector of a BitLocker volume (Vista and later) and of BitLocker To Go, which looks like
// FAT32 but carries BitLocker's GUID at 424 (4967d63b-2e29-4ad8-8399-f6a339e3d001).
func isBitLocker(head []byte, _ int64) bool {
	return hasAt(head, 3, "-FVE-FS-") ||
		hasAt(head, 424, "\x3b\xd6\x67\x49\x29\x2e\xd8\x4a\x83\x99\xf6\xa3\x39\xe3\xd0\x01")
}

func readBitLocker(*pager, []byte) (*Layout, error) {
	return nil, &RefusedError{Kind: "BitLocker", Why: "is encrypted",
		Hint: "in Windows, turn device encryption off (manage-bde -off C:), wait until it has finished, then shut down"}
}

// isLVM looks for the label in the first four sectors.
func isLVM(head []byte, _ int64) bool {
	for s := range 4 {
		if hasAt(head, 512*s, "LABELONE") && hasAt(head, 512*s+24, "LVM2 001") {
			return true
		}
	}
	return false
}

func isBtrfs(head []byte, _ int64) bool { return hasAt(head, 64<<10+64, "_BHRfS_M") }

func btrfsHeads(size int64) []Extent {
	return clip(size, Extent{64 << 10, 4096}, Extent{64 << 20, 4096}, Extent{256 << 30, 4096})
}

func isNTFS(head []byte, _ int64) bool {
	return hasAt(head, 3, "NTFS    ") && hasAt(head, 510, "\x55\xaa")
}

// Swap: the signature ends the first page, whose size is the kernel's; the header starts at 1024 in any case.
func swapPage(head []byte) (page int64, signature string) {
	for _, n := range []int{4096, 8192, 16384, 65536} {
		for _, s := range []string{"SWAPSPACE2", "SWAP-SPACE", "S1SUSPEND\x00", "S2SUSPEND\x00", "ULSUSPEND\x00", "LINHIB0001"} {
			if hasAt(head, n-10, s) {
				return int64(n), s
			}
		}
	}
	return 0, ""
}

func isSwap(head []byte, _ int64) bool {
	page, _ := swapPage(head)
	return page != 0
}

// swapWiped is how much of the body of swap is filled with zeros: enough for no file system or hibernated system that
// once began there to be found.
const swapWiped = 64 << 10

func readSwap(p *pager, head []byte) (*Layout, error) {
	page, signature := swapPage(head)
	switch signature {
	case "SWAPSPACE2":
	case "SWAP-SPACE":
		return nil, notTrusted("it is swap of a format older than Linux 2.2")
	default:
		return nil, &RefusedError{Kind: "swap", Why: "holds a hibernated Linux",
			Hint: "start that system, shut it down instead of hibernating it, then capture again"}
	}
	pages := int64(le32(head, 1028)) + 1 // last_page
	if le32(head, 1024) != 1 || pages < 2 || pages > p.size/page {
		return nil, notTrusted("its swap header does not fit the partition")
	}
	end := pages * page
	wiped := min(page+swapWiped, end)
	l := &Layout{Kind: "swap", Order: manifest.ByFile, Unit: int(page), Used: p.size, Heads: []Extent{{0, page}},
		Label: cString(head[1052:1068]), UUID: uuid(head[1036:1052]),
		Fills: []Fill{{Extent: Extent{page, wiped - page}}}}
	if wiped < end {
		l.DontCare = []Extent{{wiped, end - wiped}}
	}
	pieces := []Piece{{Length: page}}
	if end < p.size {
		pieces = append(pieces, Piece{At: end, Offset: end, Length: p.size - end})
	}
	l.walk = func(yield func(Stream) error) error { return yield(metadata(p.size, pieces)) }
	return l, nil
}

// cString is a label that ends at its first zero byte, without trailing spaces.
func cString(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(bytes.ToValidUTF8(bytes.TrimRight(b, " "), []byte("?")))
}

// uuid prints 16 bytes as they lie; "" when all are zero.
func uuid(b []byte) string {
	if bytes.Count(b, []byte{0}) == len(b) {
		return ""
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
