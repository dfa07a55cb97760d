package people

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// How long a session lasts: without being used, and in all. Its use is kept once a minute.
const (
	idle     = 2 * time.Hour
	absolute = 12 * time.Hour
	keepUse  = time.Minute
)

// maxLogins is how many sessions one person has; the oldest makes room.
const maxLogins = 20

// Session is what somebody gets who has logged in.
type Session struct {
	Token   string // of the cookie, given once
	Person  Person
	Expires time.Time // at the latest
}

// enter begins a session and forgets those that are over. The caller holds deciding.
func (p *People) enter(ctx context.Context, x Person, address string, entries ...Entry) (Session, error) {
	token, err := p.secret()
	if err != nil {
		return Session{}, err
	}
	id, err := p.id()
	if err != nil {
		return Session{}, err
	}
	now := p.o.Now().UTC()
	x.LastSeen = now
	l := Login{ID: id, Person: x.ID, Hash: digest(token), Address: clean(address, maxLogin), Created: now, Seen: now}
	c := Change{People: []Person{x}, Logins: []Login{l}, Ended: p.tooMany(x.ID, now), Entries: entries}
	if err := p.commit(ctx, c); err != nil {
		return Session{}, err
	}
	return Session{Token: token, Person: x, Expires: now.Add(absolute)}, nil
}

// tooMany returns the hashes of sessions that are over, and of the oldest of a person who has too many.
func (p *People) tooMany(person string, now time.Time) (ended []string) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var his []Login
	for _, l := range p.logins {
		switch {
		case l.over(now):
			ended = append(ended, l.Hash)
		case l.Person == person:
			his = append(his, l)
		}
	}
	slices.SortFunc(his, func(a, b Login) int { return cmp.Or(b.Seen.Compare(a.Seen), cmp.Compare(a.ID, b.ID)) })
	for i, l := range his {
		if i >= maxLogins-1 {
			ended = append(ended, l.Hash)
		}
	}
	return ended
}

// over tells whether a session has ended by itself. A clock that was set back ends it as well: nobody knows then.
func (l Login) over(now time.Time) bool {
	return now.Sub(l.Seen) >= idle || now.Sub(l.Created) >= absolute || now.Before(l.Created.Add(-idle))
}

// loginsOf returns the hashes of a person's sessions but one.
func (p *People) loginsOf(person, but string) (hashes []string) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, l := range p.logins {
		if l.Person == person && l.Hash != but {
			hashes = append(hashes, l.Hash)
		}
	}
	return hashes
}

// BySession returns who comes with a cookie, which is a use of its session: CodeNoSession.
func (p *People) BySession(ctx context.Context, token, address string) (Caller, error) {
	l, x, err := p.session(token)
	if err != nil {
		return Caller{}, err
	}
	if now := p.o.Now().UTC(); now.Sub(l.Seen) >= keepUse {
		p.seen(ctx, x.ID, func(c *Change) {
			if l, ok := p.logins[l.Hash]; ok {
				l.Seen, l.Address = now, clean(address, maxLogin)
				c.Logins = []Login{l}
			}
		})
	}
	return x.caller(ViaSession, address), nil
}

// StillIn returns who a cookie is of, as BySession, but is no use of its session: a page that is left open follows what
// happens by itself, and does not keep somebody signed in who has gone.
func (p *People) StillIn(token, address string) (Caller, error) {
	_, x, err := p.session(token)
	if err != nil {
		return Caller{}, err
	}
	return x.caller(ViaSession, address), nil
}

// session is the session of a cookie, and whose it is.
func (p *People) session(token string) (Login, Person, error) {
	now := p.o.Now().UTC()
	p.mu.RLock()
	l, ok := p.logins[digest(token)]
	x := p.people[l.Person]
	p.mu.RUnlock()
	if !ok || l.over(now) || x.ID == "" || x.Disabled {
		return Login{}, Person{}, refuse(CodeNoSession, "", "")
	}
	return l, x, nil
}

// seen keeps that a person was seen just now. If a decision is being taken, or it cannot be kept, the next request will.
func (p *People) seen(ctx context.Context, id string, also func(*Change)) {
	if !p.deciding.TryLock() {
		return
	}
	defer p.deciding.Unlock()
	var c Change
	p.mu.RLock()
	x, ok := p.people[id]
	also(&c)
	p.mu.RUnlock()
	if !ok || len(c.Logins)+len(c.Tokens) == 0 {
		return
	}
	x.LastSeen = p.o.Now().UTC()
	c.People = []Person{x}
	if err := p.commit(ctx, c); err != nil {
		p.o.Log.Error("keeping when somebody was seen", "error", err)
	}
}

// caller is what a person may do who came in some way.
func (x Person) caller(via, address string) Caller {
	return Caller{ID: x.ID, Login: x.Login, Name: x.Name, Role: x.Role, Sites: slices.Clone(x.Sites), Rooms: slices.Clone(x.Rooms), Via: via,
		Address: clean(address, maxLogin), Language: x.Language}
}

// Logout ends the session of a cookie, if there is one.
func (p *People) Logout(ctx context.Context, token string) error {
	p.deciding.Lock()
	defer p.deciding.Unlock()
	hash := digest(token)
	p.mu.RLock()
	l, ok := p.logins[hash]
	x := p.people[l.Person]
	p.mu.RUnlock()
	if !ok {
		return nil
	}
	return p.commit(ctx, Change{Ended: []string{hash}, Entries: []Entry{{Who: x.Login, Via: ViaSession, Address: l.Address, Action: "logout",
		What: x.Login, Site: Whole, Result: ResultDone}}})
}

// Logins returns the sessions of a person that are not over, the one used last first.
func (p *People) Logins(person string) []Login {
	now := p.o.Now()
	p.mu.RLock()
	defer p.mu.RUnlock()
	var out []Login
	for _, l := range p.logins {
		if l.Person == person && !l.over(now) {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b Login) int { return cmp.Or(b.Seen.Compare(a.Seen), cmp.Compare(a.ID, b.ID)) })
	return out
}

// Is tells whether the session is that of a cookie.
func (l Login) Is(token string) bool { return l.Hash == digest(token) }

// EndLogin ends one session of a person, by its id: CodeNoSession.
func (p *People) EndLogin(ctx context.Context, person, id string) error {
	p.deciding.Lock()
	defer p.deciding.Unlock()
	for _, l := range p.Logins(person) {
		if l.ID == id {
			return p.commit(ctx, Change{Ended: []string{l.Hash}})
		}
	}
	return refuse(CodeNoSession, "", clean(id, maxLogin))
}
