package post

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/mail"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/ardoise/ardoise/console/notices"
	"github.com/ardoise/ardoise/masters/durable"
)

// Settings say where the morning's report goes.
type Settings struct {
	At       string           `json:"at"`       // HH:MM in the server's time; "": never
	Language notices.Language `json:"language"` // fr or en
	Mail     *Mail            `json:"mail,omitempty"`
	Hook     *Hook            `json:"hook,omitempty"`
}

// The ways to a mail server.
const (
	StartTLS = "starttls" // RFC 3207; refused where the server does not offer it
	Implicit = "implicit" // TLS from the first byte, RFC 8314
	Plain    = "none"     // in the clear, without a password
)

// Mail says by which server reports are mailed, and to whom.
type Mail struct {
	Server   string   `json:"server"` // HOST:PORT
	TLS      string   `json:"tls"`    // starttls, implicit or none
	User     string   `json:"user,omitempty"`
	Password string   `json:"password,omitempty"`
	From     string   `json:"from"`
	To       []string `json:"to"` // who gets the report of everything; people of one site get theirs by the site's own list
}

// Hook is a place in the web that takes reports as JSON.
type Hook struct {
	URL    string `json:"url"`
	Secret string `json:"secret,omitempty"` // what the signature is made with; "": none
}

// FieldError says which of the settings makes no sense: the name of its JSON field, and why in English.
type FieldError struct{ Field, Why string }

// Error implements error.
func (e *FieldError) Error() string { return "setting " + e.Field + ": " + e.Why }

// Check refuses settings that cannot work, with a FieldError.
func (s Settings) Check() error {
	bad := func(field, format string, args ...any) error { return &FieldError{field, fmt.Sprintf(format, args...)} }
	if _, err := time.Parse("15:04", s.At); s.At != "" && (err != nil || len(s.At) != 5) {
		return bad("at", "%q is no time of day, as 07:00", s.At)
	}
	if s.Language != notices.French && s.Language != notices.English {
		return bad("language", "reports speak fr or en, not %q", string(s.Language))
	}
	if m := s.Mail; m != nil {
		host, port, err := net.SplitHostPort(m.Server)
		if n, nerr := strconv.Atoi(port); err != nil || nerr != nil || n < 1 || n > 65535 || host == "" {
			return bad("server", "%q is not HOST:PORT", m.Server)
		}
		if m.TLS != StartTLS && m.TLS != Implicit && m.TLS != Plain {
			return bad("tls", "it is starttls, implicit or none, not %q", m.TLS)
		}
		if m.TLS == Plain && m.Password != "" {
			return bad("password", "without TLS anybody on the network could read it")
		}
		if _, err := mail.ParseAddress(m.From); err != nil {
			return bad("from", "%q is no address", m.From)
		}
		if len(m.To) > maxTo {
			return bad("to", "at most %d addresses get a report", maxTo)
		}
		for _, to := range m.To {
			if _, err := mail.ParseAddress(to); err != nil {
				return bad("to", "%q is no address", to)
			}
		}
	}
	if h := s.Hook; h != nil {
		u, err := url.Parse(h.URL)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			return bad("url", "%q is no address of the web", h.URL)
		}
	}
	return nil
}

// maxTo is how many addresses get the report of everything.
const maxTo = 50

// Hidden stands for a secret that is kept: it is shown in its place, and given back means unchanged.
const Hidden = "********"

// Shown are the settings as a person may see them: whether there is a secret, not which.
func (s Settings) Shown() Settings {
	s = s.clone()
	if s.Mail != nil && s.Mail.Password != "" {
		s.Mail.Password = Hidden
	}
	if s.Hook != nil && s.Hook.Secret != "" {
		s.Hook.Secret = Hidden
	}
	return s
}

// clone returns settings that share nothing.
func (s Settings) clone() Settings {
	if s.Mail != nil {
		m := *s.Mail
		m.To = append([]string(nil), m.To...)
		s.Mail = &m
	}
	if s.Hook != nil {
		h := *s.Hook
		s.Hook = &h
	}
	return s
}

// over fills in the secrets that a person was shown as hidden. They stay only where they go to whom they went before: who
// may change the settings shall not learn a password by naming a server of his own.
func (s Settings) over(old Settings) (Settings, error) {
	s = s.clone()
	if m, o := s.Mail, old.Mail; m != nil && m.Password == Hidden {
		if o == nil || !strings.EqualFold(o.Server, m.Server) || o.User != m.User {
			return s, &FieldError{"password", "the one that is kept was for another server or user: give it again"}
		}
		m.Password = o.Password
	}
	if h, o := s.Hook, old.Hook; h != nil && h.Secret == Hidden {
		if o == nil || o.URL != h.URL {
			return s, &FieldError{"secret", "the one that is kept was for another address: give it again"}
		}
		h.Secret = o.Secret
	}
	return s, nil
}

// state is what the file keeps.
type state struct {
	Settings Settings  `json:"settings"`
	Told     time.Time `json:"told"`          // until when things were reported
	Sent     time.Time `json:"sent,omitzero"` // when a morning's report was last taken by all
}

// load reads the file; without one nothing is sent. Of one that cannot be read, or makes no sense, the error says why: nothing
// is sent then, either.
func load(path string, now time.Time) (state, error) {
	fresh := state{Settings: Settings{Language: notices.French}, Told: now}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil
	}
	if err != nil {
		return fresh, fmt.Errorf("reading where reports go: %w", err)
	}
	var s state
	if err := json.Unmarshal(raw, &s); err != nil {
		return fresh, fmt.Errorf("reading %s: %w", path, err)
	}
	if err := s.Settings.Check(); err != nil {
		return fresh, fmt.Errorf("reading %s: %w", path, err)
	}
	if s.Told.After(now) { // the clock was set back
		s.Told = now
	}
	return s, nil
}

// aside gives a file that could not be read another name, so that what a person may want of it outlives what is kept now.
func aside(path string, now time.Time) error {
	err := os.Rename(path, path+".bad-"+now.UTC().Format("20060102T150405"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keeping the unread file of where reports go: %w", err)
	}
	return nil
}

func (s state) save(path string) error {
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := durable.WriteFile(durable.OS(), path, append(raw, '\n')); err != nil {
		return fmt.Errorf("keeping where reports go: %w", err)
	}
	return nil
}
