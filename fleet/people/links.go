package people

import (
	"context"
	"crypto/subtle"
	"time"
)

// invitedFor is how long a link of invitation works.
const invitedFor = 7 * 24 * time.Hour

// First returns the secret of the link by which the first administrator is made, while there is none who can log in. It is
// another after each start and each call, kept as a hash in memory alone, and works once.
func (p *People) First(context.Context) (secret string, needed bool, err error) {
	p.deciding.Lock()
	defer p.deciding.Unlock()
	if p.administered() {
		return "", false, nil
	}
	if secret, err = p.secret(); err != nil {
		return "", true, err
	}
	p.mu.Lock()
	p.first = digest(secret)
	p.mu.Unlock()
	return secret, true, nil
}

// CheckFirst tells whether the link of the first start works: CodeWrongLink, or CodeTooMany after many wrong ones. Wrong
// ones never stand in the way of the right one.
func (p *People) CheckFirst(secret string) error {
	p.mu.RLock()
	first := p.first
	p.mu.RUnlock()
	if first != "" && subtle.ConstantTimeCompare([]byte(first), []byte(digest(secret))) == 1 && !p.administered() {
		return nil
	}
	return p.wrongLink()
}

// wrongLink is the answer to a link that does not work.
func (p *People) wrongLink() error {
	if !p.links.AllowN(p.o.Now(), 1) {
		return &RefusedError{Code: CodeTooMany, Wait: time.Second}
	}
	return refuse(CodeWrongLink, "", "")
}

// UseFirst makes the first administrator: *RefusedError of CheckFirst, or with the field that is wrong, after which the link
// still works.
func (p *People) UseFirst(ctx context.Context, secret, login, name, password string) (Person, error) {
	if err := p.CheckFirst(secret); err != nil {
		return Person{}, err
	}
	x, err := valid(Person{Login: login, Name: name, Role: Administrator})
	if err != nil {
		return Person{}, err
	}
	if x.Hash, err = p.newHash(x, password); err != nil {
		return Person{}, err
	}
	p.deciding.Lock()
	defer p.deciding.Unlock()
	if err := p.CheckFirst(secret); err != nil {
		return Person{}, err // somebody else was faster
	}
	x, err = p.add(ctx, x, Entry{Who: x.Login, Via: ViaSession, Action: "first-administrator", What: x.Login, Site: Whole, Result: ResultDone})
	if err != nil {
		return Person{}, err
	}
	p.mu.Lock()
	p.first = ""
	p.mu.Unlock()
	return x, nil
}

// Invite returns the secret of a link by which a person sets a password within seven days, whether he had one or not; a
// link that was given before stops working.
func (p *People) Invite(ctx context.Context, ref string) (secret string, err error) {
	p.deciding.Lock()
	defer p.deciding.Unlock()
	x, err := p.Find(ref)
	if err != nil {
		return "", err
	}
	if secret, err = p.secret(); err != nil {
		return "", err
	}
	x.Invitation, x.InvitedUntil = digest(secret), p.o.Now().UTC().Add(invitedFor)
	return secret, p.commit(ctx, Change{People: []Person{x}})
}

// CheckInvitation returns who was invited by a link: CodeWrongLink, CodeTooMany.
func (p *People) CheckInvitation(secret string) (Person, error) {
	hash, now := digest(secret), p.o.Now()
	p.mu.RLock()
	for _, x := range p.people {
		if subtle.ConstantTimeCompare([]byte(x.Invitation), []byte(hash)) == 1 && now.Before(x.InvitedUntil) && !x.Disabled {
			p.mu.RUnlock()
			return x, nil
		}
	}
	p.mu.RUnlock()
	return Person{}, p.wrongLink()
}

// UseInvitation sets the password of who was invited and lets him in: those of CheckInvitation and CheckPassword.
func (p *People) UseInvitation(ctx context.Context, secret, password, address string) (Session, error) {
	x, err := p.CheckInvitation(secret)
	if err != nil {
		return Session{}, err
	}
	if err := CheckPassword(password, x.Login, x.Name); err != nil {
		return Session{}, err
	}
	hash, err := p.hasher.hash(from(address).address, password)
	if err != nil {
		return Session{}, err
	}
	p.deciding.Lock()
	defer p.deciding.Unlock()
	if x, err = p.CheckInvitation(secret); err != nil {
		return Session{}, err
	}
	x.Hash, x.Invitation, x.InvitedUntil = hash, "", time.Time{}
	if err := p.commit(ctx, Change{People: []Person{x}, Ended: p.loginsOf(x.ID, "")}); err != nil {
		return Session{}, err
	}
	return p.enter(ctx, x, address, Entry{Who: x.Login, Via: ViaSession, Address: address, Action: "login", What: x.Login, Site: Whole,
		Result: ResultDone, Detail: "by invitation"})
}
