package people

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
)

// Results of an action, in the audit log.
const (
	ResultDone    = "done"
	ResultRefused = "refused"
	ResultFailed  = "failed"
)

// Entry is one line of the audit log.
type Entry struct {
	Number  int64 // from 1, without gaps; given by Record
	Time    time.Time
	Who     string // login; "" nobody known
	Via     string
	Address string
	Action  string
	What    string // the thing: a computer, a room, a master, a login
	Site    string // of the thing; Whole: of the house
	Room    string // of the thing, full name; "" none
	Result  string
	Detail  string
	Hash    string // hexadecimal; see the package's comment
}

// AuditQuery chooses entries; zero fields do not restrict.
type AuditQuery struct {
	Who, Action, What string   // exactly
	Sites             []string // any of them
	Places            bool     // only what concerns a site, not the house as a whole
	Before            int64    // only entries of a lower number: the next page
	After             int64    // only entries of a higher number
	Oldest            bool     // the oldest first
	Limit             int      // 0: 200; at most 1000
}

const (
	maxShort  = 255
	maxDetail = 4000
	auditPage = 1000
)

// Record adds an entry to the audit log; its number, hash and, where it is zero, time are given here. What is too long is
// cut, what does not print is replaced.
func (p *People) Record(ctx context.Context, e Entry) error {
	p.deciding.Lock()
	defer p.deciding.Unlock()
	return p.commit(ctx, Change{Entries: []Entry{e}})
}

// next makes an entry the one after last.
func (p *People) next(last, e Entry) Entry {
	for _, s := range []*string{&e.Who, &e.Via, &e.Address, &e.Action, &e.What, &e.Site, &e.Room, &e.Result} {
		*s = clean(*s, maxShort)
	}
	e.Detail = clean(e.Detail, maxDetail)
	if e.Time.IsZero() {
		e.Time = p.o.Now()
	}
	e.Time = e.Time.UTC()
	e.Number = last.Number + 1
	e.Hash = e.chain(last.Hash)
	return e
}

// chain is the hash of an entry that follows one with the hash before. Each string goes in behind its length, so that no two
// entries are the same bytes.
func (e Entry) chain(before string) string {
	var b []byte
	b = binary.BigEndian.AppendUint64(b, uint64(e.Number))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Time.UnixNano()))
	for _, s := range []string{before, e.Who, e.Via, e.Address, e.Action, e.What, e.Site, e.Room, e.Result, e.Detail} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Entries returns entries of the audit log, the newest first.
func (p *People) Entries(ctx context.Context, q AuditQuery) ([]Entry, error) {
	if q.Limit <= 0 {
		q.Limit = 200
	}
	q.Limit = min(q.Limit, auditPage)
	out, err := p.o.Store.AuditEntries(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	return out, nil
}

// BrokenError says where the audit log is not what was written.
type BrokenError struct {
	Number int64  // of the first entry that does not follow from those before
	Detail string // what is wrong with it
}

// Error implements error.
func (e *BrokenError) Error() string {
	return fmt.Sprintf("the audit log is broken at entry %d: %s", e.Number, e.Detail)
}

// Verify reads the whole audit log and returns how many entries it has: *BrokenError where it is not what was written. What
// it cannot find: see the package's comment.
func (p *People) Verify(ctx context.Context) (int64, error) {
	p.mu.RLock()
	end := p.last
	p.mu.RUnlock()
	var before Entry
	for before.Number < end.Number {
		page, err := p.o.Store.AuditEntries(ctx, AuditQuery{After: before.Number, Oldest: true, Limit: auditPage})
		if err != nil {
			return before.Number, fmt.Errorf("reading the audit log: %w", err)
		}
		if len(page) == 0 {
			return before.Number, &BrokenError{Number: before.Number + 1, Detail: "it is missing, and all after it"}
		}
		for _, e := range page {
			switch {
			case e.Number != before.Number+1:
				return before.Number, &BrokenError{Number: before.Number + 1, Detail: "it is missing"}
			case e.chain(before.Hash) != e.Hash:
				return before.Number, &BrokenError{Number: e.Number, Detail: "it, or the one before, was changed"}
			case e.Number == end.Number && e.Hash != end.Hash:
				return before.Number, &BrokenError{Number: e.Number, Detail: "it is not the one that was written"}
			}
			before = e
		}
	}
	return before.Number, nil
}
