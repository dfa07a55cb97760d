package people

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// Login lets somebody in by password. *RefusedError: CodeWrong, whatever was wrong; CodeTooMany with the time to wait;
// CodeBusy.
func (p *People) Login(ctx context.Context, login, password, address string) (Session, error) {
	x, err := p.prove(ctx, from(address), strings.ToLower(clean(login, maxLogin)), password)
	if err != nil {
		return Session{}, err
	}
	p.deciding.Lock()
	defer p.deciding.Unlock()
	now, err := p.Find(x.ID)
	if err != nil || now.Hash != x.Hash || now.Disabled {
		return Session{}, refuse(CodeWrong, "", "") // changed while the hash was made
	}
	return p.enter(ctx, now, address, append(p.knocks.before(now.Login), Entry{Who: now.Login, Via: ViaSession, Address: address, Action: "login",
		What: now.Login, Site: Whole, Result: ResultDone})...)
}

// prove checks a password, as slowly for logins that are not known.
func (p *People) prove(ctx context.Context, at origin, login, password string) (Person, error) {
	t, err := p.gate.enter(p.o.Now(), at, login)
	if err != nil {
		return Person{}, err
	}
	p.mu.RLock()
	x := p.people[p.byLogin[login]]
	p.mu.RUnlock()
	if x.Disabled {
		x.Hash = ""
	}
	if len(password) > 4*longest {
		password = ""
	}
	match, stale, err := p.hasher.matches(at.address, password, x.Hash)
	if err != nil {
		return Person{}, err
	}
	if !match {
		p.gate.wrong(p.o.Now(), t)
		// What is no login may be a password that was typed into the wrong field.
		p.deciding.Lock()
		defer p.deciding.Unlock()
		p.keep(ctx, p.knocks.refused(p.o.Now(), at.network, Entry{Via: ViaSession, Address: at.address, Action: "login", What: x.Login,
			Site: Whole, Result: ResultRefused, Detail: string(CodeWrong)}))
		return Person{}, refuse(CodeWrong, "", "")
	}
	p.gate.right(p.o.Now(), t, at)
	if stale {
		x = p.hashAnew(ctx, x, password)
	}
	return x, nil
}

// hashAnew replaces a hash that was made with another cost. What does not work today works at the next login.
func (p *People) hashAnew(ctx context.Context, x Person, password string) Person {
	hash, err := p.hasher.hash("", password)
	if err != nil {
		return x
	}
	p.deciding.Lock()
	defer p.deciding.Unlock()
	now, err := p.Find(x.ID)
	if err != nil || now.Hash != x.Hash {
		return x
	}
	now.Hash = hash
	if err := p.commit(ctx, Change{People: []Person{now}}); err != nil {
		p.o.Log.Error("keeping a password's new hash", "error", err)
		return x
	}
	return now
}

// SetPassword gives a person a new password and ends all sessions but that of the cookie keep ("" none), and a link of
// invitation. *RefusedError: those of CheckPassword, CodeNobody, CodeBusy.
func (p *People) SetPassword(ctx context.Context, ref, password, keep string) error {
	x, err := p.Find(ref)
	if err != nil {
		return err
	}
	if err := CheckPassword(password, x.Login, x.Name); err != nil {
		return err
	}
	hash, err := p.hasher.hash("", password)
	if err != nil {
		return err
	}
	p.deciding.Lock()
	defer p.deciding.Unlock()
	if x, err = p.Find(x.ID); err != nil {
		return err
	}
	x.Hash, x.Invitation, x.InvitedUntil = hash, "", time.Time{}
	return p.commit(ctx, Change{People: []Person{x}, Ended: p.loginsOf(x.ID, digest(keep))})
}

// ChangePassword is SetPassword by the person himself, who proves that he knows the old one: CodeWrong, CodeTooMany. A
// person without a password, known by a provider, cannot set one that way.
func (p *People) ChangePassword(ctx context.Context, id, old, password, keep, address string) error {
	x, err := p.Find(id)
	if err != nil {
		return err
	}
	if err := CheckPassword(password, x.Login, x.Name); err != nil {
		return err
	}
	if _, err := p.prove(ctx, from(address), x.Login, old); err != nil {
		return err
	}
	return p.SetPassword(ctx, x.ID, password, keep)
}

// External is somebody whom a provider of OpenID Connect has proven.
type External struct {
	Issuer, Subject string // together they are the account, for ever
	Login, Name     string // as the provider says; of a person who is made
	Mail            string // "" unless the provider says that it is verified
	Role            Role   // that the provider's groups give; "" none
	// Mapped says that roles come from the provider's groups: then Role is that of everybody whom the provider brought in,
	// and who has none is nobody.
	Mapped bool
	// Places are the sites of a technician or reader, the rooms of a teacher. With Placed they are the provider's word as the
	// role is; else an administrator's.
	Places  []string
	Placed  bool
	Address string
}

// in gives a person the role, and the places if they are the provider's word.
func (e External) in(x Person) Person {
	x.Role = e.Role
	switch {
	case !e.Placed:
	case e.Role == Teacher:
		x.Sites, x.Rooms = nil, e.Places
	default:
		x.Sites, x.Rooms = e.Places, nil
	}
	return x
}

// LoginOIDC lets somebody in whom a provider has proven, without roles of the provider; see LoginExternal.
func (p *People) LoginOIDC(ctx context.Context, issuer, subject, login, name, mail, address string) (Session, error) {
	return p.LoginExternal(ctx, External{Issuer: issuer, Subject: subject, Login: login, Name: name, Mail: mail, Address: address})
}

// LoginExternal lets somebody in whom a provider has proven: whose account is known; or who was invited by his verified
// mail and has no other way in yet; or to whom the provider gives a role. Others are refused with CodeNotInvited. A mail
// never leads to an account that has a password: else who may name a mail at the provider would have it.
func (p *People) LoginExternal(ctx context.Context, e External) (Session, error) {
	if e.Issuer == "" || e.Subject == "" || len(e.Issuer)+len(e.Subject) > 1000 || strings.ContainsAny(e.Issuer, " ") {
		return Session{}, refuse(CodeNotInvited, "", "")
	}
	if _, err := p.gate.enter(p.o.Now(), from(e.Address), ""); err != nil {
		return Session{}, err
	}
	p.deciding.Lock()
	defer p.deciding.Unlock()
	entry := Entry{Who: clean(e.Login, maxLogin), Via: ViaSession, Address: e.Address, Action: "login", What: clean(e.Login, maxLogin), Site: Whole,
		Detail: "by " + e.Issuer}
	x, err := p.external(ctx, e)
	if err != nil {
		var refused *RefusedError
		if errors.As(err, &refused) {
			entry.Result, entry.Detail = ResultRefused, entry.Detail+": "+string(refused.Code)
			p.keep(ctx, p.knocks.refused(p.o.Now(), from(e.Address).network, entry))
		}
		return Session{}, err
	}
	entry.Who, entry.What, entry.Result = x.Login, x.Login, ResultDone
	return p.enter(ctx, x, e.Address, entry)
}

// external finds or makes the person of an account. The caller holds deciding.
func (p *People) external(ctx context.Context, e External) (Person, error) {
	account := e.Issuer + " " + e.Subject
	p.mu.RLock()
	x, known := p.people[p.byOIDC[account]]
	p.mu.RUnlock()
	switch {
	case known && x.Disabled:
		return Person{}, refuse(CodeNotInvited, "", x.Login)
	case known && x.Provided && e.Mapped && (e.Role != x.Role || e.Placed && !samePlaces(x, e.in(x))):
		return p.roleProvided(ctx, x, e)
	case known:
		return x, nil
	}
	if x, ok := p.invited(e.Mail); ok {
		x.OIDC, x.Invitation, x.InvitedUntil = account, "", time.Time{}
		return x, p.commit(ctx, Change{People: []Person{x}})
	}
	if !e.Mapped || !e.Role.Valid() {
		return Person{}, refuse(CodeNotInvited, "", clean(e.Login, maxLogin))
	}
	x, err := valid(e.in(Person{Login: e.Login, Name: cmp.Or(clean(e.Name, maxName), e.Login), Mail: e.Mail}))
	if err != nil {
		return Person{}, err
	}
	x.OIDC, x.Provided = account, true
	return p.add(ctx, x)
}

// roleProvided gives a person the role that the provider now says, or puts him out. The last administrator stays: the
// provider may be wrong, and somebody has to be able to say so.
func (p *People) roleProvided(ctx context.Context, x Person, e External) (Person, error) {
	ended := p.loginsOf(x.ID, "")
	old := x
	x = e.in(x)
	if !e.Role.Valid() {
		if err := p.commit(ctx, Change{Ended: ended}); err != nil {
			return Person{}, err
		}
		return Person{}, refuse(CodeNotInvited, "", x.Login)
	}
	x, err := placed(x)
	if err != nil {
		return Person{}, err
	}
	if err := p.somebodyStays(old, x); err != nil {
		return Person{}, err
	}
	return x, p.commit(ctx, Change{People: []Person{x}, Ended: ended})
}

// samePlaces tells whether two have the same sites and rooms.
func samePlaces(a, b Person) bool {
	return slices.Equal(a.Sites, b.Sites) && slices.Equal(a.Rooms, b.Rooms)
}

// invited finds who was invited by a mail and has not come yet.
func (p *People) invited(mail string) (Person, bool) {
	if mail == "" {
		return Person{}, false
	}
	var found []Person
	for _, x := range p.List() {
		if x.Invited() && !x.Disabled && strings.EqualFold(x.Mail, mail) {
			found = append(found, x)
		}
	}
	if len(found) != 1 {
		return Person{}, false // two of the same mail: nobody can tell which
	}
	return found[0], true
}
