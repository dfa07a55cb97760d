package disk

import (
	"slices"

	"github.com/ardoise/ardoise/imaging/job"
)

// maxProofs is how many proofs are kept: the newest.
const maxProofs = 16

// ProofSlot keeps what resets have proven until the server knows it.
type ProofSlot struct{ s slot }

// Load returns the proofs that are kept, the oldest first.
func (k ProofSlot) Load() ([]job.Proof, error) {
	var list []job.Proof
	_, err := k.s.loadJSON(&list)
	return list, err
}

// Add keeps p behind the others; the oldest give way. One with the ID of a kept one replaces it. A damaged slot begins
// anew.
func (k ProofSlot) Add(p job.Proof) error {
	list, err := k.Load()
	if _, damaged := err.(*DamagedSlotError); err != nil && !damaged {
		return err
	}
	list = slices.DeleteFunc(list, func(old job.Proof) bool { return old.ID == p.ID })
	list = append(list, p)
	list = list[max(0, len(list)-maxProofs):]
	// Sentences in a proof may be long: what does not fit gives way too, but never the newest.
	for {
		if err = k.s.storeJSON(list); err == nil || len(list) == 1 {
			return err
		}
		if _, large := err.(*tooLargeError); !large {
			return err
		}
		list = list[1:]
	}
}

// Forget takes away the proofs with these IDs; nothing is written when there is none.
func (k ProofSlot) Forget(ids ...string) error {
	list, err := k.Load()
	if err != nil {
		return err
	}
	left := slices.DeleteFunc(slices.Clone(list), func(p job.Proof) bool { return slices.Contains(ids, p.ID) })
	if len(left) == len(list) {
		return nil
	}
	return k.s.storeJSON(left)
}
