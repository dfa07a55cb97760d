package people

import (
	"cmp"
	_ "embed"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
)

//go:embed common.txt
var common string

// shortest and longest are the bounds of a password, in characters.
const (
	shortest = 12
	longest  = 256
)

// CheckPassword tells whether a password may be somebody's: *RefusedError with CodeShort, CodeLong, CodeLikeLogin or
// CodeCommon.
func CheckPassword(password, login, name string) error {
	n := utf8.RuneCountInString(password)
	small := strings.ToLower(password)
	switch {
	case n < shortest:
		return refuse(CodeShort, "password", "")
	case n > longest || len(password) > 4*longest:
		return refuse(CodeLong, "password", "")
	case login != "" && strings.Contains(small, strings.ToLower(login)) && n < utf8.RuneCountInString(login)+8,
		name != "" && small == strings.ToLower(name):
		return refuse(CodeLikeLogin, "password", "")
	case isCommon(small):
		return refuse(CodeCommon, "password", "")
	}
	return nil
}

// isCommon tells whether a password, in small letters, is one of the list, one of it with digits and signs around it, or
// fewer than five different characters.
func isCommon(small string) bool {
	seen := map[rune]bool{}
	for _, r := range small {
		seen[r] = true
	}
	if len(seen) < 5 {
		return true
	}
	core := strings.Trim(small, "0123456789 !?.,;:-_+*/#$&@%=")
	for line := range strings.Lines(common) {
		word := strings.TrimSpace(line)
		if word != "" && (small == word || core == word || small == word+word || core == word+word) {
			return true
		}
	}
	return false
}

// cost of a hash: RFC 9106 section 4 asks for 64 MiB and three passes where memory is scarce; half of it keeps a box of
// 1 GiB alive, and a pass more is paid for it. One lane: strangers who try can have no more than two cores, and in turns.
func cost() *argon2id.Params {
	return &argon2id.Params{Memory: 32 << 10, Iterations: 4, Parallelism: 1, SaltLength: 16, KeyLength: 32}
}

// atOnce is how many passwords are hashed at a time, waiting and waitingEach how many may wait for it, in all and from one
// address.
const (
	atOnce      = 2
	waiting     = 16
	waitingEach = 3
)

// hasher hashes passwords, few at a time. dummy is what the passwords of unknown logins are compared with.
type hasher struct {
	params *argon2id.Params
	slots  chan struct{}
	dummy  string

	mu   sync.Mutex
	all  int
	each map[string]int // by address
}

func newHasher(params *argon2id.Params) (*hasher, error) {
	dummy, err := argon2id.CreateHash("of nobody at all", params)
	if err != nil {
		return nil, fmt.Errorf("hashing a password: %w", err)
	}
	return &hasher{params: params, slots: make(chan struct{}, atOnce), each: map[string]int{}, dummy: dummy}, nil
}

// run does one thing that costs a hash, or refuses with CodeBusy.
func (h *hasher) run(address string, do func() error) error {
	h.mu.Lock()
	if h.all >= atOnce+waiting || h.each[address] >= waitingEach {
		h.mu.Unlock()
		return refuse(CodeBusy, "", "")
	}
	h.all++
	h.each[address]++
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		h.all--
		if h.each[address]--; h.each[address] == 0 {
			delete(h.each, address)
		}
		h.mu.Unlock()
	}()
	h.slots <- struct{}{}
	defer func() { <-h.slots }()
	return do()
}

// hash makes the hash of a password.
func (h *hasher) hash(address, password string) (hash string, err error) {
	err = h.run(address, func() (err error) {
		hash, err = argon2id.CreateHash(password, h.params)
		return err
	})
	return hash, err
}

// matches compares; stale says that the hash was made with another cost. An empty hash matches nothing and takes as long.
func (h *hasher) matches(address, password, hash string) (match, stale bool, err error) {
	err = h.run(address, func() error {
		ok, params, err := argon2id.CheckHash(password, cmp.Or(hash, h.dummy))
		match, stale = ok && hash != "", params != nil && *params != *h.params
		return err
	})
	return match, stale, err
}
