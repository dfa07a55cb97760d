package post

import (
	"bytes"
	"cmp"
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

// Audience is people who get a report, and of what.
type Audience struct {
	All   bool     // of everything
	Site  string   // else of the computers of this site
	Title string   // of the site
	To    []string // mail addresses
}

// Source makes the report, for an audience, of what ended in a span of time.
type Source func(ctx context.Context, of Audience, since, until time.Time) (Report, error)

// Options of the post. Path and Source are required.
type Options struct {
	Path   string // of the file with the settings
	Source Source
	Sites  func() []Audience // of each site that has people who get its report; nil: none has
	Now    func() time.Time  // nil: time.Now
	Zone   *time.Location    // nil: the server's
	TLS    *tls.Config       // of mail servers and hooks; nil: the system's authorities
	Log    *slog.Logger      // nil: none

	Patience time.Duration // with a server that says nothing; 0: 20 s
}

// Post sends reports. It is safe for concurrent use.
type Post struct {
	o      Options
	client *http.Client

	mu      sync.Mutex
	state   state
	tried   time.Time       // last failure
	taken   map[string]bool // ways that have taken the report until due
	due     time.Time
	failure error
}

// Open reads the settings. Where they cannot be read, or make no sense, reports go nowhere until they are Set anew: Standing
// says why, and the file stays, then under another name. A box does not stand still for a report.
func Open(o Options) *Post {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Zone == nil {
		o.Zone = time.Local
	}
	if o.Patience == 0 {
		o.Patience = 20 * time.Second
	}
	if o.Sites == nil {
		o.Sites = func() []Audience { return nil }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s, err := load(o.Path, o.Now())
	p := &Post{o: o, state: s}
	if err != nil {
		p.failure = &TroubleError{Code: Unread, Where: o.Path, Says: printable(err.Error()), Err: err}
		o.Log.Error("reports go nowhere", "error", err)
	}
	p.client = &http.Client{Timeout: o.Patience, Transport: &http.Transport{TLSClientConfig: o.TLS, Proxy: http.ProxyFromEnvironment},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return p
}

// Standing is where reports go, and how it went.
type Standing struct {
	Settings Settings  // secrets hidden
	Sent     time.Time // when a morning's report was last taken by all; zero: none was
	Next     time.Time // when the next is due; zero: none is
	Failure  error     // why the last report was not taken, or the settings could not be read; nil: all is well. See Troubles
}

// Standing returns where reports go, and how it went.
func (p *Post) Standing() Standing {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.state.Settings
	out := Standing{Settings: s.Shown(), Sent: p.state.Sent, Failure: p.failure}
	if last, ok := dueAt(s.At, p.o.Now().In(p.o.Zone)); ok && (s.Mail != nil || s.Hook != nil) {
		out.Next = last.AddDate(0, 0, 1)
	}
	return out
}

// Set replaces the settings. A secret that is given as it is shown stays; see FieldError.
func (p *Post) Set(s Settings) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, err := s.over(p.state.Settings)
	if err != nil {
		return err
	}
	if err := s.Check(); err != nil {
		return err
	}
	next := state{Settings: s, Told: p.state.Told, Sent: p.state.Sent}
	if p.state.Settings.At == "" || p.state.Settings.Mail == nil && p.state.Settings.Hook == nil {
		next.Told = p.o.Now() // what happened before anybody wanted to know is not told
	}
	if p.unread() {
		if err := aside(p.o.Path, p.o.Now()); err != nil {
			return err
		}
	}
	if err := next.save(p.o.Path); err != nil {
		return err
	}
	p.state, p.failure, p.taken, p.due, p.tried = next, nil, nil, time.Time{}, time.Time{}
	return nil
}

// unread tells whether a file lies there that could not be read. The caller holds mu.
func (p *Post) unread() bool {
	var t *TroubleError
	return errors.As(p.failure, &t) && t.Code == Unread
}

// way is one of those that a report goes.
type way struct {
	hook bool
	of   Audience
}

func (w way) key() string {
	switch {
	case w.hook:
		return WayHook
	case w.of.All:
		return WayMail
	}
	return WayMail + "/" + w.of.Site
}

// ways lists where reports go.
func (p *Post) ways(s Settings) (out []way) {
	if s.Mail != nil {
		if len(s.Mail.To) > 0 {
			out = append(out, way{of: Audience{All: true, To: s.Mail.To}})
		}
		for _, a := range p.o.Sites() {
			if len(a.To) > 0 {
				out = append(out, way{of: a})
			}
		}
	}
	if s.Hook != nil {
		out = append(out, way{hook: true, of: Audience{All: true}})
	}
	return out
}

// Delivery is how a report went one way.
type Delivery struct {
	Way     string   // WayMail or WayHook
	Site    string   // title or name, of a report of one site
	To      []string // of a mail
	Trouble *TroubleError
}

// Try sends the report of the last day at once, by every way. What went wrong on a way is in its delivery.
func (p *Post) Try(ctx context.Context) ([]Delivery, error) {
	p.mu.Lock()
	s := p.state.Settings.clone()
	p.mu.Unlock()
	ways := p.ways(s)
	switch {
	case s.Mail == nil && s.Hook == nil:
		return nil, &FieldError{"server", "reports go nowhere yet"}
	case len(ways) == 0:
		return nil, &FieldError{"to", "nobody gets a report: give an address here, or to a site"}
	}
	ctx, stop := context.WithTimeout(ctx, oneTrial)
	defer stop()
	now := p.o.Now()
	var out []Delivery
	for _, w := range ways {
		d := Delivery{Way: WayMail, Site: cmp.Or(w.of.Title, w.of.Site), To: w.of.To}
		if w.hook {
			d.Way = WayHook
		}
		r, err := p.o.Source(ctx, w.of, now.Add(-24*time.Hour), now)
		if err != nil {
			return nil, fmt.Errorf("making a report: %w", err)
		}
		r.Trial = true
		if err := p.send(ctx, w, s, r); err != nil && !errors.As(err, &d.Trouble) {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

const (
	every       = time.Minute
	again       = 5 * time.Minute
	giveUp      = 6 * time.Hour
	oneReport   = 2 * time.Minute // to be taken
	oneTrial    = time.Minute     // for all ways together: somebody waits
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
	if !p.due.Equal(due) || p.taken == nil {
		p.due, p.taken = due, map[string]bool{}
	}
	taken := p.taken
	p.mu.Unlock()
	var err error
	sent := false
	for _, w := range p.ways(s) {
		if taken[w.key()] { // nobody else writes to it
			continue
		}
		r, werr := p.o.Source(ctx, w.of, maxTime(told, due.Add(-longestSpan)), due)
		switch {
		case werr != nil:
			werr = fmt.Errorf("making a report: %w", werr)
		case r.Tells():
			sending, stop := context.WithTimeout(ctx, oneReport)
			werr = p.send(sending, w, s, r)
			stop()
			sent = sent || werr == nil
		}
		if werr == nil {
			p.mu.Lock()
			taken[w.key()] = true
			p.mu.Unlock()
		}
		err = errors.Join(err, werr)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.due.Equal(due) { // the settings were changed meanwhile: it is tried again as they are now
		return err
	}
	if p.failure = err; err != nil {
		p.tried = now
		if now.Sub(due) < giveUp {
			return err
		}
	}
	p.tried = time.Time{}
	p.state.Told = due
	if sent && err == nil {
		p.state.Sent = now
	}
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

// send sends a report one way; *TroubleError: it was not taken.
func (p *Post) send(ctx context.Context, w way, s Settings, r Report) error {
	if w.hook {
		return p.hook(ctx, *s.Hook, r)
	}
	return p.mail(ctx, *s.Mail, w.of.To, s, r)
}

func (p *Post) mail(ctx context.Context, m Mail, to []string, s Settings, r Report) error {
	text, err := r.Text(s.Language, p.o.Zone)
	if err != nil {
		return err
	}
	html, err := r.HTML(s.Language, p.o.Zone)
	if err != nil {
		return err
	}
	letter := mail.NewMsg()
	if err := errors.Join(letter.From(m.From), letter.To(to...)); err != nil {
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
	dial := &dialer{limit: p.o.Patience, over: ctx}
	defer dial.close()
	if m.TLS == Implicit {
		dial.tls = config
	}
	options := []mail.Option{mail.WithPort(number), mail.WithTimeout(p.o.Patience), mail.WithTLSConfig(config), mail.WithDialContextFunc(dial.dial)}
	switch m.TLS {
	case StartTLS:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	case Implicit:
		options = append(options, mail.WithTLSPolicy(mail.TLSOpportunistic)) // TLS is there already
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
	if err := client.DialWithContext(ctx); err != nil {
		return mailTrouble(ctx, m, err, true)
	}
	err = client.Send(letter)
	_ = client.Close() // whether it was taken is known
	if err != nil {
		return mailTrouble(ctx, m, err, false)
	}
	return nil
}

// dialer connects to a mail server. The library waits for ever for one that takes the connection and says nothing, as one that
// expects TLS does, and leaves open what it gives up.
type dialer struct {
	tls   *tls.Config     // from the first byte; nil: in the clear at first
	limit time.Duration   // until the letter is under way; the library then sets others
	over  context.Context // whoever sends gives up when it ends; that of dial ends with the dialling
	conn  net.Conn
	stop  func() bool
}

func (d *dialer) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	if d.tls != nil {
		conn, err = (&tls.Dialer{Config: d.tls}).DialContext(ctx, network, address)
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
	}
	if err != nil {
		return nil, err
	}
	d.conn, d.stop = conn, context.AfterFunc(d.over, func() { _ = conn.Close() })
	return conn, conn.SetDeadline(time.Now().Add(d.limit))
}

func (d *dialer) close() {
	if d.conn != nil {
		d.stop()
		_ = d.conn.Close() // a second time, mostly
	}
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
		return hookTrouble(ctx, request.URL, err)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // so that the connection can be used again
	_ = answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		return &TroubleError{Way: WayHook, Code: HookRefused, Where: request.URL.Host, Says: printable(answer.Status)}
	}
	return nil
}
