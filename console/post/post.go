package post

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/wneessen/go-mail"
)

// Source makes the report of what ended in a span of time.
type Source func(ctx context.Context, since, until time.Time) (Report, error)

// Options of the post. Path and Source are required.
type Options struct {
	Path   string // of the file with the settings
	Source Source
	Now    func() time.Time // nil: time.Now
	Zone   *time.Location   // nil: the server's
	TLS    *tls.Config      // of mail servers and hooks; nil: the system's authorities
	Log    *slog.Logger     // nil: none
}

// Post sends reports. It is safe for concurrent use.
type Post struct {
	o      Options
	client *http.Client

	mu      sync.Mutex
	state   state
	tried   time.Time       // last failure
	ways    map[string]bool // that have taken the report until due
	due     time.Time
	failure error
}

// Open reads the settings.
func Open(o Options) (*Post, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Zone == nil {
		o.Zone = time.Local
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s, err := load(o.Path, o.Now())
	if err != nil {
		return nil, err
	}
	p := &Post{o: o, state: s}
	p.client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: o.TLS, Proxy: http.ProxyFromEnvironment},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return p, nil
}

// Settings returns the settings, secrets hidden, and why the last report was not taken; nil when it was.
func (p *Post) Settings() (Settings, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state.Settings.Shown(), p.failure
}

// Set replaces the settings. A secret that is given as it is shown stays; see FieldError.
func (p *Post) Set(s Settings) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	s = s.over(p.state.Settings)
	if err := s.Check(); err != nil {
		return err
	}
	next := state{Settings: s, Told: p.state.Told}
	if p.state.Settings.At == "" || p.state.Settings.Mail == nil && p.state.Settings.Hook == nil {
		next.Told = p.o.Now() // what happened before anybody wanted to know is not told
	}
	if err := next.save(p.o.Path); err != nil {
		return err
	}
	p.state, p.failure, p.ways = next, nil, nil
	return nil
}

// Try sends the report of the last day at once, by every way, and returns what went wrong.
func (p *Post) Try(ctx context.Context) error {
	p.mu.Lock()
	s := p.state.Settings.clone()
	p.mu.Unlock()
	if s.Mail == nil && s.Hook == nil {
		return &FieldError{"mail", "reports go nowhere yet"}
	}
	now := p.o.Now()
	r, err := p.o.Source(ctx, now.Add(-24*time.Hour), now)
	if err != nil {
		return fmt.Errorf("making a report: %w", err)
	}
	r.Trial = true
	var errs []error
	for _, way := range []string{"mail", "hook"} {
		errs = append(errs, p.send(ctx, way, s, r))
	}
	return errors.Join(errs...)
}

const (
	every       = time.Minute
	again       = 5 * time.Minute
	giveUp      = 6 * time.Hour
	oneReport   = 2 * time.Minute // to be taken
	longestSpan = 7 * 24 * time.Hour
)

// Run sends a report each morning until ctx ends.
func (p *Post) Run(ctx context.Context) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := p.Tick(ctx); err != nil && ctx.Err() == nil {
			p.o.Log.Warn("sending the morning's report", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Tick sends the report if it is due.
func (p *Post) Tick(ctx context.Context) error {
	p.mu.Lock()
	s, told, now := p.state.Settings.clone(), p.state.Told, p.o.Now()
	due, ok := dueAt(s.At, now.In(p.o.Zone))
	if !ok || s.Mail == nil && s.Hook == nil || !told.Before(due) || !p.tried.IsZero() && now.Sub(p.tried) < again {
		p.mu.Unlock()
		return nil
	}
	if !p.due.Equal(due) {
		p.due, p.ways = due, map[string]bool{}
	}
	taken := p.ways
	p.mu.Unlock()
	r, err := p.o.Source(ctx, maxTime(told, due.Add(-longestSpan)), due)
	if err != nil {
		err = fmt.Errorf("making a report: %w", err)
	}
	for _, way := range []string{"mail", "hook"} {
		if err != nil || len(r.Jobs) == 0 || taken[way] {
			continue
		}
		sending, stop := context.WithTimeout(ctx, oneReport)
		werr := p.send(sending, way, s, r)
		stop()
		if werr == nil {
			p.mu.Lock()
			taken[way] = true
			p.mu.Unlock()
		}
		err = errors.Join(err, werr)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failure = err; err != nil {
		p.tried = now
		if now.Sub(due) < giveUp {
			return err
		}
	}
	p.tried = time.Time{}
	p.state.Told = due
	return errors.Join(err, p.state.save(p.o.Path))
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// dueAt is the last moment, up to now, at which a report is due.
func dueAt(at string, now time.Time) (time.Time, bool) {
	t, err := time.Parse("15:04", at)
	if err != nil {
		return time.Time{}, false
	}
	y, m, d := now.Date()
	due := time.Date(y, m, d, t.Hour(), t.Minute(), 0, 0, now.Location())
	if due.After(now) {
		due = time.Date(y, m, d-1, t.Hour(), t.Minute(), 0, 0, now.Location())
	}
	return due, true
}

// send sends a report by one way, if it is set.
func (p *Post) send(ctx context.Context, way string, s Settings, r Report) error {
	switch {
	case way == "mail" && s.Mail != nil:
		if err := p.mail(ctx, *s.Mail, s, r); err != nil {
			return fmt.Errorf("mailing a report by %s: %w", s.Mail.Server, err)
		}
	case way == "hook" && s.Hook != nil:
		if err := p.hook(ctx, *s.Hook, r); err != nil {
			return fmt.Errorf("bringing a report to the hook: %w", err)
		}
	}
	return nil
}

func (p *Post) mail(ctx context.Context, m Mail, s Settings, r Report) error {
	text, err := r.Text(s.Language, p.o.Zone)
	if err != nil {
		return err
	}
	html, err := r.HTML(s.Language, p.o.Zone)
	if err != nil {
		return err
	}
	letter := mail.NewMsg()
	if err := errors.Join(letter.From(m.From), letter.To(m.To...)); err != nil {
		return err
	}
	letter.Subject(r.Subject(s.Language))
	letter.SetDateWithValue(p.o.Now())
	letter.SetMessageID()
	letter.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody's holiday answers it
	letter.SetBodyString(mail.TypeTextPlain, text)
	letter.AddAlternativeString(mail.TypeTextHTML, html)
	host, port, err := net.SplitHostPort(m.Server)
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	config := &tls.Config{}
	if p.o.TLS != nil {
		config = p.o.TLS.Clone()
	}
	config.ServerName, config.MinVersion = host, tls.VersionTLS12
	options := []mail.Option{mail.WithPort(number), mail.WithTimeout(30 * time.Second), mail.WithTLSConfig(config)}
	switch m.TLS {
	case StartTLS:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	case Implicit:
		options = append(options, mail.WithSSL())
	default:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	}
	if m.User != "" && m.TLS != Plain {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(m.User), mail.WithPassword(m.Password))
	}
	client, err := mail.NewClient(host, options...)
	if err != nil {
		return err
	}
	return client.DialAndSendWithContext(ctx, letter)
}

// SignatureHeader carries "sha256=" and the HMAC-SHA256 of a hook's body, hexadecimal, keyed by the hook's secret.
const SignatureHeader = "Ardoise-Signature"

func (p *Post) hook(ctx context.Context, h Hook, r Report) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if h.Secret != "" {
		mac := hmac.New(sha256.New, []byte(h.Secret))
		mac.Write(body)
		request.Header.Set(SignatureHeader, "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	answer, err := p.client.Do(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // so that the connection can be used again
	err = errors.Join(err, answer.Body.Close())
	if answer.StatusCode/100 != 2 {
		return errors.Join(fmt.Errorf("it answers %s", answer.Status), err)
	}
	return err
}
