package door

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// The bounds of the names that are remembered.
const (
	maxNames = 16
	maxName  = 253 // RFC 1035 section 2.3.4, without the last dot
)

// Names remembers by which names people come that the server's certificate does not have: their browsers warn them each
// time, and whoever gets used to that is easily deceived. The zero value is ready.
type Names struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

// Watch looks at the Host header of requests (RFC 9110, section 7.2). covers tells whether the certificate has a name; known
// whether a request is of somebody known, and is asked only where it does not: what strangers write there is nobody's name.
func (n *Names) Watch(next http.Handler, covers func(host string) bool, known func(*http.Request) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name := HostOf(r.Host); name != "" && !covers(name) && known(r) {
			n.note(name, time.Now())
		}
		next.ServeHTTP(w, r)
	})
}

func (n *Names) note(name string, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.seen[name]; !ok && len(n.seen) >= maxNames {
		oldest := ""
		for x, at := range n.seen {
			if oldest == "" || at.Before(n.seen[oldest]) {
				oldest = x
			}
		}
		delete(n.seen, oldest)
	}
	if n.seen == nil {
		n.seen = map[string]time.Time{}
	}
	n.seen[name] = now
}

// Since lists the names that were used since a time, in order.
func (n *Names) Since(t time.Time) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []string
	for name, at := range n.seen {
		if !at.Before(t) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// HostOf returns the name or address in a Host header, in small letters and without port; "" where it has neither.
func HostOf(header string) string {
	host := header
	if h, _, err := net.SplitHostPort(header); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if a, err := netip.ParseAddr(host); err == nil {
		return a.WithZone("").String()
	}
	if !IsName(host) {
		return ""
	}
	return host
}

// IsName tells whether a text is a name of a host as certificates have it: letters, digits and hyphens between dots.
func IsName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for _, label := range strings.Split(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}
