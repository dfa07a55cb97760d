package fleet

import (
	"fmt"
	"io"
	"time"
)

// The bounds of the waiting room. A whole school may be enrolled at once, but one address cannot fill the room.
const (
	maxPending    = 512
	pendingSilent = 2 * time.Minute // agents say hello every few seconds while they wait
)

// applicant is a computer that waits for a person.
type applicant struct {
	Computer
	source   string // network address without port
	suggests string // id of the record that it looks like
}

// waitingRoom holds pending computers by key.
type waitingRoom map[string]applicant

// sweep forgets who has been silent.
func (w waitingRoom) sweep(now time.Time) {
	for key, a := range w {
		if now.Sub(a.LastSeen) > pendingSilent {
			delete(w, key)
		}
	}
}

// admit makes room for one more from source, and tells whether it may come in. When the room is full, the newest of the
// addresses that have the most places goes; if the one that knocks has as many, it is turned away. So a flood from a few
// addresses only ever displaces itself, and one from many displaces its own newest, not those who waited before it.
func (w waitingRoom) admit(source string) bool {
	if len(w) < maxPending {
		return true
	}
	places, most := map[string]int{}, 0
	for _, a := range w {
		places[a.source]++
		most = max(most, places[a.source])
	}
	if places[source] >= most {
		return false
	}
	var last string
	for key, a := range w {
		if places[a.source] == most && (last == "" || a.Created.After(w[last].Created)) {
			last = key
		}
	}
	delete(w, last)
	return true
}

// byCode finds who shows a code.
func (w waitingRoom) byCode(code string) (applicant, bool) {
	for _, a := range w {
		if a.Code == code {
			return a, true
		}
	}
	return applicant{}, false
}

// newCode draws a code that no one else in the room shows.
func (w waitingRoom) newCode(random io.Reader) (string, error) {
	for {
		var b [4]byte
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return "", fmt.Errorf("drawing a code: %w", err)
		}
		// 4,294 whole millions fit below the cut: no code is likelier than another.
		n := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
		if n >= 4294*1_000_000 {
			continue
		}
		code := fmt.Sprintf("%06d", n%1_000_000)
		if _, taken := w.byCode(code); !taken {
			return code, nil
		}
	}
}

// The bounds of guessing. A person mistypes now and then; a program tries a million.
const (
	maxGuesses  = 10
	guessWindow = 10 * time.Minute
)

// guesses are the times of wrong codes.
type guesses []time.Time

// exhausted drops old guesses and tells whether too many remain.
func (g *guesses) exhausted(now time.Time) bool {
	fresh := (*g)[:0]
	for _, t := range *g {
		if now.Sub(t) < guessWindow {
			fresh = append(fresh, t)
		}
	}
	*g = fresh
	return len(fresh) >= maxGuesses
}
