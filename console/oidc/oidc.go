package oidc

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
)

// Options of a Provider. Issuer, ClientID, RedirectURL and Key are required.
type Options struct {
	Issuer       string // as the provider writes it
	ClientID     string
	ClientSecret string // "" of a public client
	RedirectURL  string // of the page that calls Finish
	// Roles gives roles by values of Claim; empty: roles are given in the console. A technician or reader of the provider's
	// has all sites until an administrator names some, a teacher no room.
	Roles map[string]people.Role
	// Places gives, by the same values, the sites of technicians and readers and the rooms of teachers; where it has any,
	// places are the provider's word at each login, and a value without is for all sites, or no room.
	Places map[string][]string
	Claim  string   // "": groups
	Login  string   // claim that logins are made of; "": preferred_username. Else the mail, else the subject
	Scopes []string // asked for besides openid, profile and email

	Key    []byte       // 32 bytes, seals the cookie; the same after a restart, or logins under way are lost
	Client *http.Client // nil: one that trusts the system's certificate authorities
	Now    func() time.Time
	Rand   io.Reader // nil: the system's
}

// How long a login may take, what an unlucky attempt to reach the provider spares those who come next, how long its
// description is taken as it is, and how far its clock may be off.
const (
	loginFor  = 10 * time.Minute
	downFor   = 10 * time.Second
	fresh     = time.Hour
	skew      = 2 * time.Minute
	patience  = 10 * time.Second
	maxAnswer = 1 << 20
	maxCookie = 4096
)

// Code is a stable word for what went wrong; the pages have its sentences.
type Code string

// What may go wrong.
const (
	CodeDown     Code = "provider-down"     // it cannot be reached, or says nothing sensible of itself
	CodeStale    Code = "login-stale"       // too old, begun in another browser, or never begun
	CodeDenied   Code = "login-denied"      // the person, or the provider, said no
	CodeRefused  Code = "provider-refused"  // the provider refuses the code: used already, or the console's secret is wrong
	CodeBadToken Code = "provider-mistaken" // what it says is not signed by it, not for us, not of now or not in answer to us
)

// Error is a login that did not work.
type Error struct {
	Code   Code
	Detail string // for logs, in the provider's words
	Err    error
}

// Error implements error.
func (e *Error) Error() string {
	s := "logging in by the provider: " + string(e.Code)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func wrong(code Code, err error) *Error {
	return &Error{Code: code, Detail: fleet.Clean(err.Error(), 300), Err: err}
}

func wrongf(code Code, format string, args ...any) *Error {
	return wrong(code, fmt.Errorf(format, args...))
}

// Provider is one provider of OpenID Connect. It is safe for concurrent use.
type Provider struct {
	o    Options
	seal cipher.AEAD

	mu     sync.Mutex // held while the provider is asked for its description
	known  *described
	asked  time.Time // of known
	down   error     // of the last attempt
	failed time.Time
}

// described is what a provider says of itself.
type described struct {
	*oidc.Provider
	config   oauth2.Config
	verifier *oidc.IDTokenVerifier
	iss      bool // answers bear the issuer (RFC 9207)
}

// New checks the options; it asks nobody.
func New(o Options) (*Provider, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Claim == "" {
		o.Claim = "groups"
	}
	if o.Login == "" {
		o.Login = "preferred_username"
	}
	if o.Client == nil {
		o.Client = &http.Client{}
	}
	for name, address := range map[string]string{"the issuer": o.Issuer, "the address of return": o.RedirectURL} {
		if err := secure(address); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if o.ClientID == "" {
		return nil, errors.New("the provider knows the console by no name: the client id is empty")
	}
	for value, role := range o.Roles {
		if !role.Valid() {
			return nil, fmt.Errorf("%s %q gives the role %q, which there is not", o.Claim, value, role)
		}
	}
	for value := range o.Places {
		if role := o.Roles[value]; !role.Valid() || role == people.Administrator {
			return nil, fmt.Errorf("%s %q gives places without a role that has some", o.Claim, value)
		}
	}
	for _, scope := range o.Scopes {
		if strings.ContainsFunc(scope, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' }) || scope == "" { // RFC 6749 3.3
			return nil, fmt.Errorf("%q is no scope", scope)
		}
	}
	if len(o.Key) != 32 {
		return nil, fmt.Errorf("the key of cookies has %d bytes, not 32", len(o.Key))
	}
	block, err := aes.NewCipher(o.Key)
	if err != nil {
		return nil, fmt.Errorf("the key of cookies: %w", err)
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("the key of cookies: %w", err)
	}
	o.Client = bounded(o.Client)
	return &Provider{o: o, seal: seal}, nil
}

// secure refuses addresses that others can listen to: HTTP is for this machine alone.
func secure(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && local) || u.User != nil || u.Fragment != "" {
		return fmt.Errorf("%q is no address that begins with https", address)
	}
	return nil
}

// Mapped tells whether roles come from the provider.
func (p *Provider) Mapped() bool { return len(p.o.Roles) > 0 }

// Issuer returns the provider's name for itself.
func (p *Provider) Issuer() string { return p.o.Issuer }

// provider returns what the provider says of itself, and asks it if need be: CodeDown.
func (p *Provider) provider(ctx context.Context) (*described, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.o.Now()
	if p.known != nil && now.Sub(p.asked) < fresh && !now.Before(p.asked) {
		return p.known, nil
	}
	if p.down == nil || now.Sub(p.failed) >= downFor || now.Before(p.failed) {
		// Who hangs up does not make the provider look as if it were down.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		d, err := p.discover(ctx)
		cancel()
		if p.down = err; err == nil {
			p.known, p.asked = d, now
			return d, nil
		}
		p.failed = now
	}
	if p.known != nil {
		return p.known, nil
	}
	return nil, wrong(CodeDown, p.down)
}

func (p *Provider) discover(ctx context.Context) (*described, error) {
	ctx = oidc.ClientContext(ctx, p.o.Client)
	found, err := oidc.NewProvider(ctx, p.o.Issuer)
	if err != nil {
		return nil, err
	}
	var more struct {
		JWKS string `json:"jwks_uri"`
		Iss  bool   `json:"authorization_response_iss_parameter_supported"`
	}
	if err := found.Claims(&more); err != nil {
		return nil, err
	}
	addresses := []string{found.Endpoint().AuthURL, found.Endpoint().TokenURL, more.JWKS}
	if at := found.UserInfoEndpoint(); at != "" {
		addresses = append(addresses, at)
	}
	for _, at := range addresses {
		if err := secure(at); err != nil {
			return nil, fmt.Errorf("the provider names %w", err)
		}
	}
	d := &described{Provider: found, iss: more.Iss}
	d.config = oauth2.Config{ClientID: p.o.ClientID, ClientSecret: p.o.ClientSecret, Endpoint: found.Endpoint(), RedirectURL: p.o.RedirectURL,
		Scopes: p.scopes()}
	d.verifier = found.Verifier(&oidc.Config{ClientID: p.o.ClientID, Now: func() time.Time { return p.o.Now().Add(-skew) }})
	return d, nil
}

// scopes are what is asked for, each once.
func (p *Provider) scopes() []string {
	out := []string{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeEmail}
	for _, scope := range p.o.Scopes {
		if !slices.Contains(out, scope) {
			out = append(out, scope)
		}
	}
	return out
}

// ticket is what lies in the cookie.
type ticket struct {
	State, Nonce, Verifier string
	Next                   string
	Until                  int64 // Unix seconds
}

// Begin returns where to send a browser and what it has to bring back: the value of a cookie, to be set for the path of
// RedirectURL, HttpOnly, Secure and SameSite=Lax, for ten minutes. Next is the page to show in the end. CodeDown.
func (p *Provider) Begin(ctx context.Context, next string) (address, cookie string, err error) {
	d, err := p.provider(ctx)
	if err != nil {
		return "", "", err
	}
	t := ticket{Next: local(next), Until: p.o.Now().Add(loginFor).Unix()}
	for _, s := range []*string{&t.State, &t.Nonce, &t.Verifier} {
		if *s, err = p.random(32); err != nil {
			return "", "", err
		}
	}
	plain, err := json.Marshal(t)
	if err != nil {
		return "", "", err
	}
	nonce := make([]byte, p.seal.NonceSize())
	if _, err := io.ReadFull(p.o.Rand, nonce); err != nil {
		return "", "", fmt.Errorf("drawing a nonce: %w", err)
	}
	cookie = base64.RawURLEncoding.EncodeToString(p.seal.Seal(nonce, nonce, plain, p.purpose()))
	return d.config.AuthCodeURL(t.State, oidc.Nonce(t.Nonce), oauth2.S256ChallengeOption(t.Verifier)), cookie, nil
}

// local is a page of this console, and nothing else.
func local(next string) string {
	u, err := url.Parse(next)
	if err != nil || len(next) > 1000 || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || u.Host != "" ||
		strings.ContainsFunc(next, func(r rune) bool { return r == '\\' || r < ' ' || r == 0x7f }) {
		return "/"
	}
	return next
}

// purpose ties a cookie to this use and this provider.
func (p *Provider) purpose() []byte {
	return []byte("ardoise login by oidc 1\x00" + p.o.Issuer + "\x00" + p.o.ClientID + "\x00" + p.o.RedirectURL)
}

func (p *Provider) random(size int) (string, error) {
	b := make([]byte, size)
	if _, err := io.ReadFull(p.o.Rand, b); err != nil {
		return "", fmt.Errorf("drawing a secret: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// open opens a cookie: CodeStale.
func (p *Provider) open(cookie string) (t ticket, err error) {
	if len(cookie) > maxCookie {
		return t, wrongf(CodeStale, "the cookie is too long")
	}
	sealed, err := base64.RawURLEncoding.DecodeString(cookie)
	if err != nil || len(sealed) < p.seal.NonceSize() {
		return t, wrongf(CodeStale, "there is no cookie of a login")
	}
	plain, err := p.seal.Open(nil, sealed[:p.seal.NonceSize()], sealed[p.seal.NonceSize():], p.purpose())
	if err != nil {
		return t, wrongf(CodeStale, "the cookie is not of here")
	}
	if err := json.Unmarshal(plain, &t); err != nil {
		return t, wrong(CodeStale, err)
	}
	if left := time.Unix(t.Until, 0).Sub(p.o.Now()); left <= 0 || left > loginFor {
		return t, wrongf(CodeStale, "it was begun too long ago")
	}
	return t, nil
}

// Finish takes the browser's answer: the cookie of Begin and the query of the request for RedirectURL. *Error with any Code.
// The cookie has to be taken away whatever comes out.
func (p *Provider) Finish(ctx context.Context, cookie string, query url.Values) (who Identity, next string, err error) {
	t, err := p.open(cookie)
	if err != nil {
		return who, "", err
	}
	if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(t.State)) != 1 || len(query["state"]) != 1 {
		return who, "", wrongf(CodeStale, "the answer is to another question")
	}
	d, err := p.provider(ctx)
	if err != nil {
		return who, "", err
	}
	if iss := query["iss"]; len(iss) > 0 && !slices.Equal(iss, []string{p.o.Issuer}) || len(iss) == 0 && d.iss {
		return who, "", wrongf(CodeBadToken, "the answer is of the provider %q", iss)
	}
	if said := query.Get("error"); said != "" {
		return who, "", wrongf(CodeDenied, "%s %s", said, query.Get("error_description"))
	}
	if query.Get("code") == "" {
		return who, "", wrongf(CodeStale, "the answer has no code")
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, p.o.Client), patience)
	defer cancel()
	token, err := d.config.Exchange(ctx, query.Get("code"), oauth2.VerifierOption(t.Verifier))
	if err != nil {
		var said *oauth2.RetrieveError
		if errors.As(err, &said) && said.Response != nil && said.Response.StatusCode < 500 {
			return who, "", wrong(CodeRefused, err)
		}
		return who, "", wrong(CodeDown, err)
	}
	who, err = p.identify(ctx, d, token, t.Nonce)
	return who, t.Next, err
}
