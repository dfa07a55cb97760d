package script

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/ardoise/ardoise/imaging/job"
)

// half is how much is kept of the beginning, and of the end.
const half = job.MaxOutput/2 - 64

// jsonHalf is how long either may be in JSON, where some characters take six times their place: a report has an end.
const jsonHalf = 2 * half

// kept is the beginning and the end of what is written to it. The zero value is ready.
type kept struct {
	mu    sync.Mutex
	head  []byte
	tail  []byte // at most twice half, cut back to half
	total int64
}

// Write implements io.Writer. It never fails: a script must not die of what it says.
func (k *kept) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := len(p)
	k.total += int64(n)
	if room := half - len(k.head); room > 0 {
		took := min(room, len(p))
		k.head, p = append(k.head, p[:took]...), p[took:]
	}
	if len(p) > half {
		p = p[len(p)-half:]
	}
	if k.tail = append(k.tail, p...); len(k.tail) > 2*half {
		k.tail = slices.Clone(k.tail[len(k.tail)-half:])
	}
	return n, nil
}

// String returns what is kept, as it may be shown.
func (k *kept) String() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	tail := k.tail[max(0, len(k.tail)-half):]
	if int64(len(k.head)+len(tail)) == k.total { // nothing was left out: a character may lie on the border
		all := clean(append(slices.Clone(k.head), tail...))
		if n := first(all, 2*half, 2*jsonHalf); n == len(all) {
			return all
		}
		return all[:first(all, half, jsonHalf)] + "\n...\n" + all[last(all, half, jsonHalf):]
	}
	a, b := clean(k.head), clean(tail)
	a, b = a[:first(a, half, jsonHalf)], b[last(b, half, jsonHalf):]
	return a + fmt.Sprintf("\n... %d bytes are left out ...\n", k.total-int64(len(k.head)+len(tail))) + b
}

// clean keeps what is printable, newlines and tabs. What is no UTF-8 becomes a question mark.
func clean(b []byte) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\r':
			return -1
		case r == utf8.RuneError:
			return '?'
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, string(b))
}

// cost is how many bytes a character takes in JSON.
func cost(r rune) int {
	switch r {
	case '<', '>', '&', '\u2028', '\u2029':
		return 6
	case '"', '\\', '\n', '\t':
		return 2
	}
	return utf8.RuneLen(r)
}

// first returns how much of the beginning of s fits.
func first(s string, limit, encoded int) int {
	for i, r := range s {
		if encoded -= cost(r); encoded < 0 || i+utf8.RuneLen(r) > limit {
			return i
		}
	}
	return len(s)
}

// last returns where the end of s begins that fits.
func last(s string, limit, encoded int) int {
	for at := len(s); ; {
		r, n := utf8.DecodeLastRuneInString(s[:at])
		if encoded -= cost(r); n == 0 || encoded < 0 || len(s)-at+n > limit {
			return at
		}
		at -= n
	}
}
