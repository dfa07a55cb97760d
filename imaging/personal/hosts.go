package personal

import (
	"net/netip"
	"strings"
)

// firstLine is the name in /etc/hostname: its first line that is neither empty nor a comment.
func firstLine(b []byte) string {
	for line := range strings.Lines(string(b)) {
		if line = strings.Trim(line, " \t\r\n\x00"); line != "" && line[0] != '#' {
			return line
		}
	}
	return ""
}

// renameHost replaces the master's name, also before its domain, in those lines of /etc/hosts that say where this computer
// is: of a loopback address. Everything else stays as it is, blanks and comments included.
func renameHost(hosts []byte, old, name string) []byte {
	if old == "" || old == "localhost" || !label(old) {
		return hosts
	}
	var out strings.Builder
	for line := range strings.Lines(string(hosts)) {
		rest, comment := line, ""
		if at := strings.IndexByte(line, '#'); at >= 0 {
			rest, comment = line[:at], line[at:]
		}
		fields := strings.Fields(rest)
		if len(fields) < 2 || !loopback(fields[0]) {
			out.WriteString(line)
			continue
		}
		out.WriteString(renameFields(rest, old, name))
		out.WriteString(comment)
	}
	return []byte(out.String())
}

func loopback(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.IsLoopback()
}

// renameFields replaces fields of a line and keeps the blanks between them.
func renameFields(line, old, name string) string {
	var out strings.Builder
	for line != "" {
		if n := strings.IndexAny(line, " \t\r\n"); n != 0 {
			if n < 0 {
				n = len(line)
			}
			field := line[:n]
			host, domain, dotted := strings.Cut(field, ".")
			if strings.EqualFold(host, old) {
				if field = name; dotted {
					field += "." + domain
				}
			}
			out.WriteString(field)
			line = line[n:]
			continue
		}
		out.WriteByte(line[0])
		line = line[1:]
	}
	return out.String()
}
