package oidc

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
)

// Identity is who somebody is.
type Identity struct {
	Issuer, Subject string // together they are the account
	Login, Name     string // for people who are made of it; Login has the form of one
	Mail            string // "" unless the provider calls it verified
	Role            people.Role
	Mapped          bool // Role is the provider's word; "" is that they have none
	Places          []string
	Placed          bool // Places are the provider's word, too: sites, or the rooms of a teacher
}

// External is the identity as people take it.
func (i Identity) External(address string) people.External {
	return people.External{Issuer: i.Issuer, Subject: i.Subject, Login: i.Login, Name: i.Name, Mail: i.Mail, Role: i.Role, Mapped: i.Mapped,
		Places: i.Places, Placed: i.Placed, Address: address}
}

// identify checks what the provider gave for a code and asks it for the rest.
func (p *Provider) identify(ctx context.Context, d *described, token *oauth2.Token, nonce string) (who Identity, err error) {
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return who, wrongf(CodeBadToken, "there is no ID token")
	}
	id, err := d.verifier.Verify(ctx, raw)
	if err != nil {
		return who, wrong(CodeBadToken, err)
	}
	var claims map[string]json.RawMessage
	if err := id.Claims(&claims); err != nil {
		return who, wrong(CodeBadToken, err)
	}
	if azp := text(claims, "azp"); azp != "" && azp != p.o.ClientID || azp == "" && len(id.Audience) != 1 {
		return who, wrongf(CodeBadToken, "the token is for %q of %q", azp, id.Audience)
	}
	switch {
	case subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(nonce)) != 1:
		return who, wrongf(CodeBadToken, "the token answers another question")
	case id.IssuedAt.After(p.o.Now().Add(skew)) || id.IssuedAt.Before(p.o.Now().Add(-loginFor-skew)):
		return who, wrongf(CodeBadToken, "the token is of %s", id.IssuedAt)
	case id.Subject == "" || len(id.Subject) > 255: // Core section 2
		return who, wrongf(CodeBadToken, "the token names nobody")
	}
	if id.AccessTokenHash != "" {
		if err := id.VerifyAccessToken(token.AccessToken); err != nil {
			return who, wrong(CodeBadToken, err)
		}
	}
	if d.UserInfoEndpoint() != "" {
		if err := p.more(ctx, d, token, id.Subject, claims); err != nil {
			return who, err
		}
	}
	return p.identity(id.Subject, claims), nil
}

// more adds the claims that the provider does not put into the token.
func (p *Provider) more(ctx context.Context, d *described, token *oauth2.Token, subject string, claims map[string]json.RawMessage) error {
	info, err := d.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return wrong(CodeDown, err)
	}
	if info.Subject != subject { // Core section 5.3.2: else tokens are swapped
		return wrongf(CodeBadToken, "the claims are of %q, the token of %q", info.Subject, subject)
	}
	var extra map[string]json.RawMessage
	if err := info.Claims(&extra); err != nil {
		return wrong(CodeBadToken, err)
	}
	mail := claims["email"] != nil // whether it is verified is said beside it, not elsewhere
	for name, value := range extra {
		if _, have := claims[name]; !have && !(mail && name == "email_verified") {
			claims[name] = value
		}
	}
	return nil
}

// identity reads the claims.
func (p *Provider) identity(subject string, claims map[string]json.RawMessage) Identity {
	who := Identity{Issuer: p.o.Issuer, Subject: subject, Name: fleet.Clean(text(claims, "name"), 100), Mapped: p.Mapped()}
	mail := text(claims, "email")
	if v := string(claims["email_verified"]); v == "true" || v == `"true"` {
		who.Mail = mail
	}
	name, _, _ := strings.Cut(mail, "@")
	for _, s := range []string{text(claims, p.o.Login), name, subject} {
		if who.Login = loginOf(s); who.Login != "" {
			break
		}
	}
	values := list(claims[p.o.Claim])
	for _, role := range people.Roles() { // the mightiest first
		if slices.ContainsFunc(values, func(v string) bool { return p.o.Roles[v] == role }) {
			who.Role = role
			break
		}
	}
	if who.Placed = len(p.o.Places) > 0; who.Placed {
		who.Places = p.places(who.Role, values)
	}
	return who
}

// places are the places that a role has by some values, in order. One value for all sites is for all of them.
func (p *Provider) places(role people.Role, values []string) []string {
	var out []string
	for _, v := range values {
		if r, ok := p.o.Roles[v]; !ok || r != role {
			continue
		}
		if len(p.o.Places[v]) == 0 && role != people.Teacher {
			return nil
		}
		out = append(out, p.o.Places[v]...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// loginOf gives a string the form of a login; "" if too little is left.
func loginOf(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("._@-", r) {
			return r
		}
		return -1
	}, strings.ToLower(s))
	s = strings.TrimLeft(s, "._@-")
	if s = s[:min(len(s), 64)]; len(s) < 2 {
		return ""
	}
	return s
}

// text is a claim that is a string; "" otherwise.
func text(claims map[string]json.RawMessage, name string) (s string) {
	if json.Unmarshal(claims[name], &s) != nil {
		return ""
	}
	return s
}

// list is a claim that is a string or several.
func list(raw json.RawMessage) (values []string) {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}
	}
	if json.Unmarshal(raw, &values) != nil {
		return nil
	}
	return values
}

// bounded is a client whose answers end, in time and size, and that is led nowhere else.
func bounded(c *http.Client) *http.Client {
	next := c.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	return &http.Client{Transport: limited{next}, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

type limited struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := l.next.RoundTrip(r)
	if err == nil {
		answer.Body = &body{answer.Body, maxAnswer}
	}
	return answer, err
}

// body ends with an error where an answer is too long.
type body struct {
	io.ReadCloser
	left int
}

var errTooLong = errors.New("the answer is too long")

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
