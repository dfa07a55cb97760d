package sessions

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/masters/manifest"
)

// Visitor is the computer that makes a request, as the agent API has proven it, and what its running task says.
type Visitor struct {
	Computer string     // id
	Name     string     // that people gave it
	Address  netip.Addr // that it speaks from
	Session  string     // of its running task
	Manifest string     // of its running task, hexadecimal
}

// Refusal is an answer that gives nothing.
type Refusal struct {
	Status int // of HTTP
	Code   string
	Detail string // for a person
}

// Error implements error.
func (e *Refusal) Error() string { return e.Code + ": " + e.Detail }

// What a refusal's status means to an agent: join (again), go without the session, or try again later.
const (
	StatusNone   = http.StatusGone
	StatusUnable = http.StatusConflict
	StatusBusy   = http.StatusServiceUnavailable
)

// Limits of one computer's requests.
const (
	maxJoin  = 64 << 10         // bytes
	bodyTime = 30 * time.Second // for the body of a join
)

// visitorKey is the key of a visitor in a request's context.
type visitorKey struct{}

// visitors tells a session's server who asks.
type visitors struct{}

var _ session.Authoriser = visitors{}

// Authorise implements session.Authoriser.
func (visitors) Authorise(r *http.Request) (string, error) {
	v, ok := r.Context().Value(visitorKey{}).(Visitor)
	if !ok {
		return "", errors.New("this computer is not known")
	}
	return v.Computer, nil
}

// Serve answers a request on the control channel of the visitor's session; the request's path is the channel's own. An
// error was not answered yet.
func (m *Manager) Serve(w http.ResponseWriter, r *http.Request, v Visitor) error {
	r = r.WithContext(context.WithValue(r.Context(), visitorKey{}, v))
	if r.URL.Path == "/join" && r.Method == http.MethodPost {
		return m.join(w, r, v)
	}
	x := m.of(v.Session)
	if x == nil {
		return &Refusal{StatusNone, "no-session", "nobody has joined this session since the server was started"}
	}
	server, err := x.enter(v.Computer, r.URL.Path, m.o.Now())
	if err != nil {
		return err
	}
	switch r.URL.Path {
	case "/report", "/leave", "/status": // small, and soon
	default:
		w = m.answering(w, r)
	}
	server.ServeHTTP(w, r)
	return nil
}

// join lets a computer into its session, with the manifest of its task and the name that people gave it.
func (m *Manager) join(w http.ResponseWriter, r *http.Request, v Visitor) error {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTime)) // of the connection, hence the machine's own clock
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxJoin))
	if err != nil {
		return err
	}
	ask, err := readJoin(raw, v)
	if err != nil {
		return err
	}
	x, err := m.begin(r.Context(), v.Session, v.Manifest)
	if err != nil {
		return err
	}
	path := m.o.Path(v.Address)
	offered := ask.Multicast
	if ask.Multicast && path.Reason == "" {
		if err := x.reach(path); err != nil {
			m.o.Log.Debug("a session does not reach a network", "session", v.Session, "interface", path.Interface, "error", err)
			path.Reason = path.Interface + " cannot be used for multicast: " + err.Error()
		}
	}
	ask.Multicast = ask.Multicast && path.Reason == ""
	body, err := json.Marshal(ask)
	if err != nil {
		return err
	}
	server := x.admit(v, path, offered, m.o.Now())
	if server == nil {
		return &Refusal{StatusNone, "no-session", "the session has just ended: join it again"}
	}
	again := r.Clone(r.Context())
	again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	heard := &answer{head: http.Header{}, status: http.StatusOK}
	server.ServeHTTP(heard, again)
	return heard.pass(w, func(joined *wire.Joined) { x.sources(path.Interface, joined.Channels) })
}

// readJoin reads what a computer joins with. It is for the manifest of its task, and by the name that people gave it.
func readJoin(raw []byte, v Visitor) (wire.Join, error) {
	var ask wire.Join
	if err := json.Unmarshal(raw, &ask); err != nil {
		return ask, &Refusal{http.StatusBadRequest, "bad-request", "the body is not what the contract says"}
	}
	hash, err := manifest.ParseHash(v.Manifest)
	if err != nil || ask.Manifest != hash {
		return ask, &Refusal{http.StatusForbidden, "not-yours", "the running task does not name this manifest"}
	}
	ask.Name, ask.Link, ask.MTU = v.Name, max(ask.Link, 0), max(ask.MTU, 0)
	return ask, nil
}

// answer is what the session's server answers to a join. It is small: its orders name the generations so far.
type answer struct {
	head   http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.head }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) { a.status = status }

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// pass passes the answer on; one that lets the computer in says also what the server itself does not know.
func (a *answer) pass(w http.ResponseWriter, more func(*wire.Joined)) error {
	if a.status != http.StatusOK {
		return &Refusal{a.status, "refused", strings.TrimSpace(a.body.String())}
	}
	var joined wire.Joined
	if err := json.Unmarshal(a.body.Bytes(), &joined); err != nil {
		return fmt.Errorf("reading the answer to a join: %w", err)
	}
	more(&joined)
	body, err := json.Marshal(joined)
	if err != nil {
		return fmt.Errorf("encoding the answer to a join: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body) // who has gone does not read
	return nil
}
