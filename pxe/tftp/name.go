package tftp

import "strings"

// MaxName is the longest file name served, in bytes.
const MaxName = 128

// Clean brings a name that firmware asks for into the form of the file table: slashes only, none doubled, none leading.
// It reports false for names that can be no file of ours: too long, empty, with control characters or with "..".
// Windows-born ROMs write backslashes, GRUB begins with one slash and shim with two.
func Clean(name string) (string, bool) {
	if len(name) > MaxName {
		return "", false
	}
	name = strings.ReplaceAll(name, `\`, "/")
	for _, c := range []byte(name) {
		if c < 0x20 || c >= 0x7f {
			return "", false
		}
	}
	var parts []string
	for part := range strings.SplitSeq(name, "/") {
		switch part {
		case "", ".":
		case "..":
			return "", false
		default:
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "/"), len(parts) > 0
}
