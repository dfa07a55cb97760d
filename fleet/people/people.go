package people

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/alexedwards/argon2id"
	"golang.org/x/time/rate"
)

// Options of People. Store is required.
type Options struct {
	Store Store
	Now   func() time.Time // nil: time.Now
	Rand  io.Reader        // nil: the system's
	Log   *slog.Logger     // nil: none
	// Cost is for tests, which log in by the hundred; nil: what the house asks for.
	Cost *argon2id.Params
}

const (
	maxPeople  = 10_000
	secretSize = 32
)

// People are the people of one house. They are safe for concurrent use.
type People struct {
	o      Options
	hasher *hasher
	gate   *gate
	links  *rate.Limiter // of wrong links

	deciding sync.Mutex // held by one decision at a time, over its commit
	knocks   knocks     // guarded by deciding

	mu      sync.RWMutex // guards what follows
	people  map[string]Person
	byLogin map[string]string // login -> id
	byOIDC  map[string]string // issuer and subject -> id
	logins  map[string]Login  // by hash
	tokens  map[string]Token  // by id
	byToken map[string]string // hash -> id
	first   string            // hash of the secret of the first start; "" = none
	last    Entry             // newest of the audit log
}

// Open loads people from their store.
func Open(ctx context.Context, o Options) (*People, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Cost == nil {
		o.Cost = cost()
	}
	s, err := o.Store.LoadPeople(ctx)
	if err != nil {
		return nil, fmt.Errorf("loading the people: %w", err)
	}
	h, err := newHasher(o.Cost)
	if err != nil {
		return nil, err
	}
	p := &People{o: o, hasher: h, gate: newGate(), links: rate.NewLimiter(rate.Every(time.Second), 10),
		people: map[string]Person{}, byLogin: map[string]string{}, byOIDC: map[string]string{}, logins: map[string]Login{},
		tokens: map[string]Token{}, byToken: map[string]string{}, last: s.Last}
	p.apply(Change{People: s.People, Logins: s.Logins, Tokens: s.Tokens})
	return p, nil
}

// commit keeps a change and makes it visible. The caller holds deciding.
func (p *People) commit(ctx context.Context, c Change) error {
	p.mu.RLock()
	last := p.last
	p.mu.RUnlock()
	for i := range c.Entries {
		c.Entries[i] = p.next(last, c.Entries[i])
		last = c.Entries[i]
	}
	// Who hangs up must not leave a decision half taken.
	ctx = context.WithoutCancel(ctx)
	if err := p.o.Store.CommitPeople(ctx, c); err != nil {
		p.lookAgain(ctx)
		return fmt.Errorf("keeping a decision: %w", err)
	}
	p.mu.Lock()
	p.apply(c)
	p.last = last
	p.mu.Unlock()
	return nil
}

// lookAgain finds the end of the log after a commit that went wrong: it may be there after all.
func (p *People) lookAgain(ctx context.Context) {
	newest, err := p.o.Store.AuditEntries(ctx, AuditQuery{Limit: 1})
	if err == nil && len(newest) == 1 {
		p.mu.Lock()
		p.last = newest[0]
		p.mu.Unlock()
	}
}

// apply makes a committed change visible. The caller holds mu, or is alone.
func (p *People) apply(c Change) {
	for _, id := range c.Removed {
		p.unlink(id)
		delete(p.people, id)
		maps.DeleteFunc(p.logins, func(_ string, l Login) bool { return l.Person == id })
		for _, t := range p.tokens {
			if t.Person == id {
				c.Forgotten = append(c.Forgotten, t.ID)
			}
		}
	}
	for _, x := range c.People {
		p.unlink(x.ID)
		p.people[x.ID] = x
		p.byLogin[x.Login] = x.ID
		if x.OIDC != "" {
			p.byOIDC[x.OIDC] = x.ID
		}
	}
	for _, x := range c.Logins {
		p.logins[x.Hash] = x
	}
	for _, hash := range c.Ended {
		delete(p.logins, hash)
	}
	for _, x := range c.Tokens {
		p.tokens[x.ID] = x
		p.byToken[x.Hash] = x.ID
	}
	for _, id := range c.Forgotten {
		delete(p.byToken, p.tokens[id].Hash)
		delete(p.tokens, id)
	}
}

// unlink takes a person out of the indexes.
func (p *People) unlink(id string) {
	if old, ok := p.people[id]; ok {
		delete(p.byLogin, old.Login)
		delete(p.byOIDC, old.OIDC)
	}
}

// List returns all people, by login.
func (p *People) List() []Person {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return slices.SortedFunc(maps.Values(p.people), func(a, b Person) int { return cmp.Compare(a.Login, b.Login) })
}

// Find returns one person by id or login: *RefusedError with CodeNobody.
func (p *People) Find(ref string) (Person, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if x, ok := p.people[ref]; ok {
		return x, nil
	}
	if id, ok := p.byLogin[strings.ToLower(ref)]; ok {
		return p.people[id], nil
	}
	return Person{}, refuse(CodeNobody, "", clean(ref, maxLogin))
}

// Bound returns who is bound to a site or to a room of that full name ("" asks for the other alone): they stand in the way
// of forgetting it, since a technician without sites is one of all sites.
func (p *People) Bound(site, room string) []Person {
	return slices.DeleteFunc(p.List(), func(x Person) bool {
		return !(site != "" && holds(x.Sites, site) || room != "" && holds(x.Rooms, room))
	})
}

// Add adds a person with a password, or without one ("") to be invited or known by a provider.
func (p *People) Add(ctx context.Context, x Person, password string) (Person, error) {
	x.Hash, x.OIDC, x.Provided, x.Invitation, x.InvitedUntil = "", "", false, "", time.Time{}
	x, err := valid(x)
	if err != nil {
		return Person{}, err
	}
	if password != "" {
		if x.Hash, err = p.newHash(x, password); err != nil {
			return Person{}, err
		}
	}
	p.deciding.Lock()
	defer p.deciding.Unlock()
	return p.add(ctx, x)
}

// newHash hashes a password that is good enough for somebody new.
func (p *People) newHash(x Person, password string) (string, error) {
	if err := CheckPassword(password, x.Login, x.Name); err != nil {
		return "", err
	}
	return p.hasher.hash("", password)
}

// add adds somebody who is valid. The caller holds deciding.
func (p *People) add(ctx context.Context, x Person, entries ...Entry) (Person, error) {
	if err := p.free(x); err != nil {
		return Person{}, err
	}
	id, err := p.id()
	if err != nil {
		return Person{}, err
	}
	x.ID, x.Created, x.LastSeen = id, p.o.Now().UTC(), time.Time{}
	return x, p.commit(ctx, Change{People: []Person{x}, Entries: entries})
}

// free tells whether a login and a provider's account are nobody else's.
func (p *People) free(x Person) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if id, taken := p.byLogin[x.Login]; taken && id != x.ID {
		return refuse(CodeLoginTaken, "login", x.Login)
	}
	if _, known := p.people[x.ID]; !known && len(p.people) >= maxPeople {
		return refuse(CodeTooManyOfThem, "", "")
	}
	return nil
}

// Change changes a person. His id, password, invitation and times stay as they are; the provider's account may only be
// taken away. What he may do from now on ends his sessions, if it is not what it was.
func (p *People) Change(ctx context.Context, ref string, change func(*Person)) (Person, error) {
	p.deciding.Lock()
	defer p.deciding.Unlock()
	old, x, err := p.changed(ref, change)
	if err != nil {
		return Person{}, err
	}
	c := Change{People: []Person{x}}
	if x.Role != old.Role || x.Disabled != old.Disabled || x.OIDC != old.OIDC || x.Login != old.Login ||
		!slices.Equal(x.Sites, old.Sites) || !slices.Equal(x.Rooms, old.Rooms) {
		c.Ended = p.loginsOf(x.ID, "")
	}
	return x, p.commit(ctx, c)
}

// ChangeWithPassword is Change and SetPassword in one decision: both, or, where one is refused, neither. All sessions end.
func (p *People) ChangeWithPassword(ctx context.Context, ref, password string, change func(*Person)) (Person, error) {
	_, x, err := p.changed(ref, change)
	if err != nil {
		return Person{}, err
	}
	hash, err := p.newHash(x, password) // outside the decision: it takes a while
	if err != nil {
		return Person{}, err
	}
	p.deciding.Lock()
	defer p.deciding.Unlock()
	if _, x, err = p.changed(x.ID, change); err != nil {
		return Person{}, err
	}
	if err := CheckPassword(password, x.Login, x.Name); err != nil { // somebody renamed him while the hash was made
		return Person{}, err
	}
	x.Hash, x.Invitation, x.InvitedUntil = hash, "", time.Time{}
	return x, p.commit(ctx, Change{People: []Person{x}, Ended: p.loginsOf(x.ID, "")})
}

// changed returns a person as he is and as a change would make him, checked. It changes nothing.
func (p *People) changed(ref string, change func(*Person)) (old, x Person, err error) {
	if old, err = p.Find(ref); err != nil {
		return old, x, err
	}
	x = old
	x.Sites, x.Rooms = slices.Clone(old.Sites), slices.Clone(old.Rooms)
	change(&x)
	x.ID, x.Hash, x.Invitation, x.InvitedUntil, x.Created, x.LastSeen = old.ID, old.Hash, old.Invitation, old.InvitedUntil, old.Created, old.LastSeen
	if x.OIDC != "" {
		x.OIDC = old.OIDC
	}
	x.Provided = old.Provided && x.OIDC != ""
	if x, err = valid(x); err != nil {
		return old, x, err
	}
	if x.Provided && x.Role != old.Role {
		return old, x, refuse(CodeProvided, "role", x.Login)
	}
	if err := p.free(x); err != nil {
		return old, x, err
	}
	return old, x, p.somebodyStays(old, x)
}

// Remove removes a person with sessions and tokens. The audit log keeps what he did.
func (p *People) Remove(ctx context.Context, ref string) (Person, error) {
	p.deciding.Lock()
	defer p.deciding.Unlock()
	x, err := p.Find(ref)
	if err != nil {
		return Person{}, err
	}
	if err := p.somebodyStays(x, Person{}); err != nil {
		return Person{}, err
	}
	return x, p.commit(ctx, Change{Removed: []string{x.ID}})
}

// somebodyStays refuses what would leave no administrator who can log in.
func (p *People) somebodyStays(old, changed Person) error {
	if !isAdministrator(old) || isAdministrator(changed) {
		return nil
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, x := range p.people {
		if x.ID != old.ID && isAdministrator(x) {
			return nil
		}
	}
	return refuse(CodeLastOne, "role", old.Login)
}

// isAdministrator tells whether a person can log in and let others in.
func isAdministrator(x Person) bool { return x.Role == Administrator && x.CanEnter() }

// administered tells whether there is an administrator who can log in.
func (p *People) administered() bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, x := range p.people {
		if isAdministrator(x) {
			return true
		}
	}
	return false
}

// id makes one that nobody has. The caller holds deciding.
func (p *People) id() (string, error) {
	var b [8]byte
	if _, err := io.ReadFull(p.o.Rand, b[:]); err != nil {
		return "", fmt.Errorf("drawing an id: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

// secret makes one that is given once. The caller holds deciding.
func (p *People) secret() (string, error) {
	var b [secretSize]byte
	if _, err := io.ReadFull(p.o.Rand, b[:]); err != nil {
		return "", fmt.Errorf("drawing a secret: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}
