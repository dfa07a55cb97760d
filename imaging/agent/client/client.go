package client

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
)

// Limits of what a server may answer, and of its silence. A long poll is silent for 25 s.
const (
	maxJSON     = 8 << 20
	maxProblem  = 64 << 10
	maxSentence = 300
	silence     = 45 * time.Second
	dialLimit   = 10 * time.Second
	firstPause  = time.Second
	lastPause   = 15 * time.Second
)

// Options of New.
type Options struct {
	Server      string            // HOST:PORT
	Fingerprint [32]byte          // SHA-256 of the CA certificate's DER
	Key         *ecdsa.PrivateKey // nil: only the public part of the API answers
	Lost        func(error)       // told once when the server stops answering; may be nil
	Found       func()            // told once when it answers again; may be nil
	Pause       time.Duration     // first pause between tries; default 1 s
	Source      net.IP            // address to ask from; nil: whichever leads there
}

// Client asks the server. Its methods may be called from several goroutines.
type Client struct {
	o    Options
	http *http.Client

	mu   sync.Mutex
	lost bool
}

// ProblemError is the server's refusal.
type ProblemError struct {
	Status  int
	Problem job.Problem
}

// Error implements error.
func (e *ProblemError) Error() string {
	if e.Problem.Detail != "" {
		return e.Problem.Detail
	}
	return fmt.Sprintf("the server answers with status %d %s", e.Status, e.Problem.Code)
}

// New returns a client of one server.
func New(o Options) (*Client, error) {
	if o.Pause == 0 {
		o.Pause = firstPause
	}
	config := configuration(o.Fingerprint, tls.Certificate{})
	if o.Key != nil {
		cert, err := certify(o.Key)
		if err != nil {
			return nil, err
		}
		config = configuration(o.Fingerprint, cert)
	}
	dialer := &net.Dialer{Timeout: dialLimit, KeepAlive: 10 * time.Second}
	if o.Source != nil {
		dialer.LocalAddr = &net.TCPAddr{IP: o.Source}
	}
	t := &http.Transport{
		// One TCP connection per batch in flight: HTTP/2 would put them all in one window.
		ForceAttemptHTTP2: false,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return patient{c}, nil
		},
		TLSClientConfig:     config,
		TLSHandshakeTimeout: 20 * time.Second,
		// A refusal should be heard before a large body is sent: later it may be lost with the connection.
		ExpectContinueTimeout: firstPause,
		MaxIdleConnsPerHost:   InFlight + 5, // reports, the long poll, and three of a session
		IdleConnTimeout:       time.Minute,
		DisableCompression:    true,
		ReadBufferSize:        64 << 10,
		WriteBufferSize:       64 << 10,
	}
	return &Client{o: o, http: &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}}, nil
}

// Quiet has the client tell nobody any more when the server is lost or found.
func (c *Client) Quiet() { c.o.Lost, c.o.Found = nil, nil }

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// patient ends a connection whose other end says nothing: a server that lost power sends no reset.
type patient struct{ net.Conn }

func (p patient) Read(b []byte) (int, error) {
	_ = p.SetReadDeadline(time.Now().Add(silence))
	return p.Conn.Read(b)
}

// Write gives the answer its time too: who still takes what we send may be silent until he has all of it.
func (p patient) Write(b []byte) (int, error) {
	_ = p.SetDeadline(time.Now().Add(silence))
	return p.Conn.Write(b)
}

// Trust asks for what to trust. It is the first question, and proves the server.
func (c *Client) Trust(ctx context.Context) (job.Trust, error) {
	var t job.Trust
	return t, c.exchange(ctx, http.MethodGet, job.PathTrust, nil, &t)
}

// Hello introduces this computer.
func (c *Client) Hello(ctx context.Context, h job.Hello) (job.Welcome, error) {
	var w job.Welcome
	return w, c.exchange(ctx, http.MethodPost, job.PathHello, h, &w)
}

// Task waits for a task, up to half a minute; false when there is none yet.
func (c *Client) Task(ctx context.Context) (job.Envelope, bool, error) {
	var e job.Envelope
	err := c.exchange(ctx, http.MethodGet, job.PathTask, nil, &e)
	return e, err == nil && len(e.Payload) > 0, err
}

// Report tells how a task goes on, once: no repeats, since the next report says it better.
func (c *Client) Report(ctx context.Context, r job.Report) (job.ReportReply, error) {
	var reply job.ReportReply
	body, err := json.Marshal(r)
	if err != nil {
		return reply, fmt.Errorf("encoding a report: %w", err)
	}
	b, err := c.once(ctx, request{method: http.MethodPost, path: job.PathReport, body: body, limit: maxJSON})
	if err == nil && len(b) > 0 {
		err = json.Unmarshal(b, &reply)
	}
	if err != nil {
		return reply, fmt.Errorf("reporting: %w", err)
	}
	return reply, nil
}

// Deliver tells how a task goes on and repeats it until the server has it.
func (c *Client) Deliver(ctx context.Context, r job.Report) (job.ReportReply, error) {
	var reply job.ReportReply
	return reply, c.exchange(ctx, http.MethodPost, job.PathReport, r, &reply)
}

func (c *Client) exchange(ctx context.Context, method, path string, in, out any) error {
	return c.until(ctx, func() error { return c.onceJSON(ctx, method, path, in, out) })
}

// onceJSON asks once; out is what the answer says.
func (c *Client) onceJSON(ctx context.Context, method, path string, in, out any) error {
	q := request{method: method, path: path, limit: maxJSON}
	if in != nil {
		var err error
		if q.body, err = json.Marshal(in); err != nil {
			return &brokenError{fmt.Errorf("encoding a question for %s: %w", path, err)}
		}
	}
	b, err := c.once(ctx, q)
	if err != nil || len(b) == 0 {
		return err
	}
	if err := json.Unmarshal(b, out); err != nil {
		return &AlteredError{fmt.Sprintf("the answer of %s is not what the contract says: %v", path, err)}
	}
	return nil
}

type request struct {
	method, path string
	body         []byte
	stream       io.Reader // instead of body
	header       map[string]string
	limit        int64
	answered     func(http.Header)
}

// open sends a request and returns the answer with its body open; a refusal is *ProblemError.
func (c *Client) open(ctx context.Context, q request) (*http.Response, error) {
	var body io.Reader = bytes.NewReader(q.body)
	if q.stream != nil {
		body = q.stream
	}
	r, err := http.NewRequestWithContext(ctx, q.method, "https://"+c.o.Server+q.path, body)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", q.path, err)
	}
	if q.body != nil && q.header == nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for k, v := range q.header {
		r.Header.Set(k, v)
	}
	a, err := c.http.Do(r)
	if err != nil {
		var unproven *UnprovenError
		if errors.As(err, &unproven) {
			return nil, unproven
		}
		return nil, fmt.Errorf("asking %s: %w", q.path, err)
	}
	if a.StatusCode/100 == 2 {
		return a, nil
	}
	defer func() { _ = a.Body.Close() }()
	b, _ := io.ReadAll(io.LimitReader(a.Body, maxProblem))
	return nil, &ProblemError{Status: a.StatusCode, Problem: problem(b)}
}

// problem reads the body of a refusal: a Problem, or a sentence.
func problem(b []byte) job.Problem {
	var p job.Problem
	if json.Unmarshal(b, &p) != nil {
		p = job.Problem{Detail: strings.TrimSpace(string(b[:min(len(b), maxSentence)]))}
	}
	return p
}

// once asks and reads the whole answer, at most the limit.
func (c *Client) once(ctx context.Context, q request) ([]byte, error) {
	a, err := c.open(ctx, q)
	if err != nil {
		return nil, err
	}
	defer func() { _ = a.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(a.Body, q.limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the answer of %s: %w", q.path, err)
	case int64(len(b)) > q.limit:
		return nil, fmt.Errorf("reading the answer of %s: more than %d bytes", q.path, q.limit)
	}
	if q.answered != nil {
		q.answered(a.Header)
	}
	return b, nil
}

// until repeats a question while the server is away.
func (c *Client) until(ctx context.Context, ask func() error) error {
	pause := c.o.Pause
	for {
		err := ask()
		if err == nil {
			c.found()
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !away(err) {
			return err
		}
		if !busy(err) {
			c.missing(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}

// away tells whether asking again may help.
func away(err error) bool {
	var unproven *UnprovenError
	var altered *AlteredError
	var damaged *chunk.DamagedError
	var broken *brokenError
	var p *ProblemError
	switch {
	case errors.As(err, &unproven), errors.As(err, &altered), errors.As(err, &damaged), errors.As(err, &broken):
		return false
	case errors.As(err, &p):
		switch p.Problem.Code {
		case "damaged", "no-space", "not-found", "missing":
			return false // as true in a minute as now
		}
		return p.Status >= 500 || p.Status == http.StatusRequestTimeout || p.Status == http.StatusTooManyRequests
	}
	return true
}

// busy tells whether the server is there and only asks for patience.
func busy(err error) bool {
	var p *ProblemError
	return errors.As(err, &p) && p.Status == http.StatusTooManyRequests
}

func (c *Client) missing(err error) {
	c.mu.Lock()
	was := c.lost
	c.lost = true
	c.mu.Unlock()
	if !was && c.o.Lost != nil {
		c.o.Lost(err)
	}
}

func (c *Client) found() {
	c.mu.Lock()
	was := c.lost
	c.lost = false
	c.mu.Unlock()
	if was && c.o.Found != nil {
		c.o.Found()
	}
}

// Reason is the last part of a network fault: the part a person can use.
func Reason(err error) string {
	s := err.Error()
	if i := strings.LastIndex(s, ": "); i >= 0 && i+2 < len(s) {
		return s[i+2:]
	}
	return s
}
