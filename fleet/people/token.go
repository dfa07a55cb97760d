package people

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

// tokenMark begins every API token, so that who finds one knows what it is.
const tokenMark = "ard_"

// maxTokens is how many API tokens one person has.
const maxTokens = 100

// AddToken gives a person an API token, which is shown once. It ends at a time, or never (zero). *RefusedError: CodeNobody,
// CodeBadName, CodeBadScope, CodeBadTime, CodeTooManyOfThem.
func (p *People) AddToken(ctx context.Context, person, name string, scopes []string, expires time.Time) (secret string, err error) {
	p.deciding.Lock()
	defer p.deciding.Unlock()
	x, err := p.Find(person)
	if err != nil {
		return "", err
	}
	name = strings.TrimSpace(name)
	now := p.o.Now().UTC()
	switch {
	case name == "" || clean(name, maxName) != name:
		return "", refuse(CodeBadName, "name", clean(name, maxName))
	case len(scopes) == 0:
		return "", refuse(CodeBadScope, "scopes", "")
	case !expires.IsZero() && !expires.After(now):
		return "", refuse(CodeBadTime, "expires", "")
	case len(p.Tokens(x.ID)) >= maxTokens:
		return "", refuse(CodeTooManyOfThem, "", x.Login)
	}
	for _, s := range scopes {
		if !slices.Contains(Scopes(), s) {
			return "", refuse(CodeBadScope, "scopes", clean(s, maxName))
		}
	}
	id, err := p.id()
	if err != nil {
		return "", err
	}
	if secret, err = p.secret(); err != nil {
		return "", err
	}
	secret = tokenMark + secret
	if !expires.IsZero() {
		expires = expires.UTC()
	}
	t := Token{ID: id, Person: x.ID, Name: name, Hash: digest(secret), Scopes: slices.Compact(slices.Sorted(slices.Values(scopes))),
		Created: now, Expires: expires}
	return secret, p.commit(ctx, Change{Tokens: []Token{t}})
}

// Tokens returns the API tokens of a person, the newest first; of all people for "".
func (p *People) Tokens(person string) []Token {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var out []Token
	for _, t := range p.tokens {
		if person == "" || t.Person == person {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(a, b Token) int { return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID)) })
	return out
}

// ForgetToken makes an API token of a person worthless: CodeNoToken. person "" is anybody.
func (p *People) ForgetToken(ctx context.Context, person, id string) (Token, error) {
	p.deciding.Lock()
	defer p.deciding.Unlock()
	p.mu.RLock()
	t, ok := p.tokens[id]
	p.mu.RUnlock()
	if !ok || person != "" && t.Person != person {
		return Token{}, refuse(CodeNoToken, "", clean(id, maxLogin))
	}
	return t, p.commit(ctx, Change{Forgotten: []string{id}})
}

// ByToken returns who comes with an API token: CodeNoToken; CodeTooMany where an address has tried many wrong ones.
func (p *People) ByToken(ctx context.Context, secret, address string) (Caller, error) {
	now := p.o.Now().UTC()
	p.mu.RLock()
	t, ok := p.tokens[p.byToken[digest(secret)]]
	x := p.people[t.Person]
	p.mu.RUnlock()
	if !ok || !strings.HasPrefix(secret, tokenMark) || x.ID == "" || x.Disabled || !t.Expires.IsZero() && !now.Before(t.Expires) {
		if _, err := p.gate.enter(now, from(address), ""); err != nil {
			return Caller{}, err
		}
		return Caller{}, refuse(CodeNoToken, "", "")
	}
	if now.Sub(t.Used) >= keepUse {
		p.seen(ctx, x.ID, func(c *Change) {
			if t, ok := p.tokens[t.ID]; ok {
				t.Used, t.Address = now, clean(address, maxLogin)
				c.Tokens = []Token{t}
			}
		})
	}
	c := x.caller(ViaToken, address)
	c.Scopes = append([]string{}, t.Scopes...) // never nil: that would be all
	return c, nil
}
