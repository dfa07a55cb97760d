package personal

import (
	"fmt"
	"path"
	"strings"
)

// Values is what one computer has of its own. What is empty is left as the master has it.
type Values struct {
	Hostname  string            // one label of RFC 1123: letters, digits, "-", at most 63
	MachineID string            // 32 lower case hexadecimal digits, not all zero: machine-id(5)
	SSHKeys   map[string][]byte // content by path, as Keys makes them
	Answer    AnswerFile        // of NTFS volumes
}

// AnswerPath is where Windows looks for its answer file first, once it is installed.
const AnswerPath = "Windows/Panther/unattend.xml"

// AnswerFile is what Windows reads its name from.
type AnswerFile struct {
	Path    string // "/" separated, without a leading one; "" for none
	Content []byte
}

// ValueError says which of the Values cannot be one.
type ValueError struct{ What, Why string }

// Error implements error.
func (e *ValueError) Error() string { return fmt.Sprintf("the %s %s", e.What, e.Why) }

// Check tells, by *ValueError, whether the values can be given to a computer.
func (v *Values) Check() error {
	switch {
	case v.Hostname != "" && !label(v.Hostname):
		return &ValueError{"computer name", fmt.Sprintf("%.80q is not 1 to 63 letters, digits and hyphens", v.Hostname)}
	case v.MachineID != "" && !hex32(v.MachineID):
		return &ValueError{"machine-id", "is not 32 lower case hexadecimal digits, or all of them are 0"}
	case v.Answer.Path != "" && (!clean(v.Answer.Path) || len(v.Answer.Content) == 0):
		return &ValueError{"answer file", fmt.Sprintf("%.80q has no content, or its path does not go down from the root", v.Answer.Path)}
	}
	for p, content := range v.SSHKeys {
		if !clean(p) || len(content) == 0 {
			return &ValueError{"SSH key", fmt.Sprintf("%.80q has no content, or its path does not go down from the root", p)}
		}
	}
	return nil
}

func label(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return len(s) <= 63 && s[0] != '-' && s[len(s)-1] != '-'
}

func hex32(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == "" && strings.Trim(s, "0") != ""
}

func clean(p string) bool {
	return p != "." && p == path.Clean(p) && !strings.HasPrefix(p, "/") && p != ".." && !strings.HasPrefix(p, "../") &&
		!strings.ContainsAny(p, "\x00\\") && len(p) <= 1024
}
