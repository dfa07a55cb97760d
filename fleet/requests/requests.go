package requests

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ardoise/ardoise/fleet"
)

// State of a request.
type State string

// The states.
const (
	StateOpen     State = "open"
	StateAnswered State = "answered"
	StateClosed   State = "closed"
)

// Request is what somebody reported.
type Request struct {
	ID       string // a number
	Computer string // id; "" of the room as a whole
	Room     string // full name, when it was reported
	Site     string
	By       string // login; "" by the label on the PC
	Name     string // how who has no account calls himself; may be anything
	Text     string // lines that print
	State    State
	Created  time.Time
	Changed  time.Time
	Notes    []Note
}

// Note is an answer, or a change of state with what was said.
type Note struct {
	Time  time.Time
	By    string
	Text  string // may be ""
	State State  // from then on
}

// Query chooses requests; zero fields do not restrict.
type Query struct {
	ID       string
	Computer string
	Room     string
	Sites    []string // any of them
	Rooms    []string // any of them
	States   []State
	Before   string // only those with a lower number: the next page
	Limit    int    // 0: 200; at most 1000
}

// Store keeps requests and labels.
type Store interface {
	// LoadRequests returns the labels, computer id to code, and the highest number ever given.
	LoadRequests(ctx context.Context) (labels map[string]string, last int64, err error)
	// CommitRequest keeps a new or changed request, if r is not nil, and labels, computer id to code. One without notes is new:
	// where its number is given already it fails, and keeps nothing.
	CommitRequest(ctx context.Context, r *Request, labels map[string]string) error
	// FindRequests returns requests, the newest first.
	FindRequests(ctx context.Context, q Query) ([]Request, error)
}

// Options of Requests. Store is required.
type Options struct {
	Store Store
	Now   func() time.Time // nil: time.Now
	Rand  io.Reader        // nil: the system's
}

const (
	labelSize  = 16
	maxText    = 2000
	maxLines   = 40
	maxName    = 100
	maxNotes   = 200
	openByRoom = 20  // of strangers
	openByAll  = 200 // of one room, of anybody
	reopenIn   = 7 * 24 * time.Hour
)

// Code is a stable word for a refusal; the surfaces have its sentences.
type Code string

// The refusals.
const (
	CodeNone     Code = "no-request" // none such
	CodeNoLabel  Code = "no-label"   // none such, or a newer one took its place
	CodeEmpty    Code = "empty-text"
	CodeLong     Code = "text-long"
	CodeTooMany  Code = "too-many-requests" // of this label, address or room; Wait says for how long, 0: until some are closed
	CodeClosed   Code = "request-closed"
	CodeNotOver  Code = "request-not-closed"
	CodeTooLate  Code = "too-late" // closed longer ago than it may be opened again
	CodeTooMuch  Code = "too-many-notes"
	CodeNowhere  Code = "no-place" // neither a computer nor a room
	CodeBadLabel Code = "bad-label"
)

// RefusedError is a refusal with its reason.
type RefusedError struct {
	Code  Code
	Field string // of a form: text, name; "" for none
	Wait  time.Duration
}

// Error implements error.
func (e *RefusedError) Error() string { return string(e.Code) }

// Requests are those of one house. They are safe for concurrent use.
type Requests struct {
	o Options

	mu      sync.Mutex // held over commits
	labels  map[string]string
	byLabel map[string]string
	last    int64
	rates   rates
}

// Open loads requests from their store.
func Open(ctx context.Context, o Options) (*Requests, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	labels, last, err := o.Store.LoadRequests(ctx)
	if err != nil {
		return nil, fmt.Errorf("loading the requests: %w", err)
	}
	r := &Requests{o: o, labels: map[string]string{}, byLabel: map[string]string{}, last: last, rates: newRates()}
	for computer, token := range labels {
		r.labels[computer], r.byLabel[token] = token, computer
	}
	return r, nil
}

// Report is what somebody says is broken. The caller of this package knows where the computer is.
type Report struct {
	Computer, Room, Site string
	By                   string // login of who has an account
	Name                 string // of who has none
	Text                 string
}

// Open keeps a report of somebody with an account: *RefusedError.
func (r *Requests) Open(ctx context.Context, x Report) (Request, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open(ctx, x, openByAll)
}

// OpenByLabel keeps a report of somebody who read the label of a computer, from an address. At is where that computer is;
// its By is not used.
func (r *Requests) OpenByLabel(ctx context.Context, token, address string, at Report) (Request, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	computer, ok := r.byLabel[token]
	if !ok || computer != at.Computer {
		return Request{}, &RefusedError{Code: CodeNoLabel}
	}
	at.By = ""
	if _, err := text(at.Text, false); err != nil {
		return Request{}, err
	}
	if wait := r.rates.take(r.o.Now(), token, address); wait > 0 {
		return Request{}, &RefusedError{Code: CodeTooMany, Wait: wait}
	}
	return r.open(ctx, at, openByRoom)
}

// open keeps a report where fewer than limit are open. The caller holds mu.
func (r *Requests) open(ctx context.Context, x Report, limit int) (Request, error) {
	words, err := text(x.Text, false)
	if err != nil {
		return Request{}, err
	}
	if x.Computer == "" && x.Room == "" {
		return Request{}, &RefusedError{Code: CodeNowhere}
	}
	q := Query{Room: x.Room, States: []State{StateOpen}, Limit: limit}
	if x.Room == "" {
		q.Computer = x.Computer
	}
	standing, err := r.o.Store.FindRequests(ctx, q)
	if err != nil {
		return Request{}, fmt.Errorf("counting requests: %w", err)
	}
	if len(standing) >= limit {
		return Request{}, &RefusedError{Code: CodeTooMany}
	}
	now := r.o.Now().UTC()
	out := Request{ID: strconv.FormatInt(r.last+1, 10), Computer: x.Computer, Room: x.Room, Site: x.Site, By: x.By,
		Name: fleet.Clean(x.Name, maxName), Text: words, State: StateOpen, Created: now, Changed: now}
	r.last++ // whatever comes of it: what was kept although the store says otherwise keeps its number
	if err := r.o.Store.CommitRequest(context.WithoutCancel(ctx), &out, nil); err != nil {
		return Request{}, fmt.Errorf("keeping a request: %w", err)
	}
	return out, nil
}

// text bounds what somebody wrote: at most maxLines lines that print.
func text(s string, mayBeEmpty bool) (string, error) {
	if len(s) > 8*maxText {
		return "", &RefusedError{Code: CodeLong, Field: "text"}
	}
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i := range lines {
		lines[i] = fleet.Clean(strings.Join(strings.Fields(lines[i]), " "), maxText+1) // French has spaces of its own
	}
	out := strings.TrimSpace(strings.Join(lines, "\n"))
	switch {
	case strings.Trim(out, "\ufffd\n ") == "" && !mayBeEmpty:
		return "", &RefusedError{Code: CodeEmpty, Field: "text"}
	case len([]rune(out)) > maxText || strings.Count(out, "\n") >= maxLines:
		return "", &RefusedError{Code: CodeLong, Field: "text"}
	}
	return out, nil
}

// Find returns one request: CodeNone.
func (r *Requests) Find(ctx context.Context, id string) (Request, error) {
	if n, err := strconv.ParseInt(id, 10, 64); err != nil || n <= 0 || strconv.FormatInt(n, 10) != id {
		return Request{}, &RefusedError{Code: CodeNone}
	}
	found, err := r.o.Store.FindRequests(ctx, Query{ID: id, Limit: 1})
	if err != nil {
		return Request{}, fmt.Errorf("reading request %s: %w", id, err)
	}
	if len(found) == 0 {
		return Request{}, &RefusedError{Code: CodeNone}
	}
	return found[0], nil
}

// List returns requests, the newest first.
func (r *Requests) List(ctx context.Context, q Query) ([]Request, error) {
	if q.Limit <= 0 {
		q.Limit = 200
	}
	q.Limit = min(q.Limit, 1000)
	out, err := r.o.Store.FindRequests(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("reading requests: %w", err)
	}
	return out, nil
}

// Answer says something to who reported; a request that is open is answered from then on. CodeClosed: it is over.
func (r *Requests) Answer(ctx context.Context, id, by, words string) (Request, error) {
	return r.note(ctx, id, by, words, false, func(x Request) (State, error) {
		if x.State == StateClosed {
			return "", &RefusedError{Code: CodeClosed}
		}
		return StateAnswered, nil
	})
}

// Close ends a request, with or without a word. CodeClosed: it is over already.
func (r *Requests) Close(ctx context.Context, id, by, words string) (Request, error) {
	return r.note(ctx, id, by, words, true, func(x Request) (State, error) {
		if x.State == StateClosed {
			return "", &RefusedError{Code: CodeClosed}
		}
		return StateClosed, nil
	})
}

// Reopen opens a request again that was closed within the last seven days: CodeNotOver, CodeTooLate.
func (r *Requests) Reopen(ctx context.Context, id, by, words string) (Request, error) {
	return r.note(ctx, id, by, words, true, func(x Request) (State, error) {
		switch {
		case x.State != StateClosed:
			return "", &RefusedError{Code: CodeNotOver}
		case r.o.Now().Sub(x.Changed) > reopenIn:
			return "", &RefusedError{Code: CodeTooLate}
		}
		return StateOpen, nil
	})
}

// note adds a note that leads to a state.
func (r *Requests) note(ctx context.Context, id, by, words string, mayBeEmpty bool, to func(Request) (State, error)) (Request, error) {
	words, err := text(words, mayBeEmpty)
	if err != nil {
		return Request{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	x, err := r.Find(ctx, id)
	if err != nil {
		return Request{}, err
	}
	state, err := to(x)
	if err != nil {
		return Request{}, err
	}
	if len(x.Notes) >= maxNotes && state != StateClosed {
		return Request{}, &RefusedError{Code: CodeTooMuch}
	}
	x.State, x.Changed = state, r.o.Now().UTC()
	x.Notes = append(slices.Clone(x.Notes), Note{Time: x.Changed, By: by, Text: words, State: state})
	if err := r.o.Store.CommitRequest(context.WithoutCancel(ctx), &x, nil); err != nil {
		return Request{}, fmt.Errorf("keeping request %s: %w", id, err)
	}
	return x, nil
}

// Label returns the code of a computer's label, and makes one if it has none: then made is true.
func (r *Requests) Label(ctx context.Context, computer string) (token string, made bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if token, ok := r.labels[computer]; ok {
		return token, false, nil
	}
	token, err = r.relabel(ctx, computer)
	return token, err == nil, err
}

// Relabel gives a computer a new label; the old one is worthless from then on.
func (r *Requests) Relabel(ctx context.Context, computer string) (token string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.relabel(ctx, computer)
}

func (r *Requests) relabel(ctx context.Context, computer string) (string, error) {
	if computer == "" {
		return "", &RefusedError{Code: CodeBadLabel}
	}
	var b [labelSize]byte
	if _, err := io.ReadFull(r.o.Rand, b[:]); err != nil {
		return "", fmt.Errorf("drawing a label: %w", err)
	}
	token := base64.RawURLEncoding.EncodeToString(b[:])
	if err := r.o.Store.CommitRequest(context.WithoutCancel(ctx), nil, map[string]string{computer: token}); err != nil {
		return "", fmt.Errorf("keeping a label: %w", err)
	}
	delete(r.byLabel, r.labels[computer])
	r.labels[computer], r.byLabel[token] = token, computer
	return token, nil
}

// ByLabel returns the id of the computer that bears a label: CodeNoLabel.
func (r *Requests) ByLabel(_ context.Context, token string) (computer string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if computer, ok := r.byLabel[token]; ok {
		return computer, nil
	}
	return "", &RefusedError{Code: CodeNoLabel}
}
