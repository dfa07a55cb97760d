package door

import (
	"net/http"
	"time"
)

// piece is how much of an answer is given at once, in bytes: each has a time of its own to be taken.
const piece = 32 << 10

// Patient gives whoever asks next so long to take each piece of an answer, however long the whole takes; then the answer
// ends and its connection, or its stream, is closed. Handlers that set deadlines of their own keep them.
func Patient(next http.Handler, each time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := &patient{ResponseWriter: w, control: http.NewResponseController(w), each: each}
		p.until(time.Time{}) // the answer before it on this connection may have left one
		defer p.last()
		next.ServeHTTP(p, r)
	})
}

// patient writes with a deadline that goes along.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
	each    time.Duration
	own     bool // the handler has set a deadline
}

// until sets the deadline. What cannot have one is no connection, or is closed already.
func (p *patient) until(t time.Time) { _ = p.control.SetWriteDeadline(t) }

// in does something for which there is so much time, then takes the deadline away: one that passes while nothing is written
// would end a stream of HTTP/2.
func (p *patient) in(do func() error) error {
	if p.own {
		return do()
	}
	p.until(time.Now().Add(p.each))
	err := do()
	if err == nil {
		p.until(time.Time{})
	}
	return err
}

// last is the deadline of what is still held back when the handler is done.
func (p *patient) last() {
	if !p.own {
		p.until(time.Now().Add(p.each))
	}
}

// Write implements http.ResponseWriter.
func (p *patient) Write(b []byte) (n int, err error) {
	for first := true; err == nil && (first || n < len(b)); first = false {
		err = p.in(func() error {
			m, err := p.ResponseWriter.Write(b[n:min(n+piece, len(b))])
			n += m
			return err
		})
	}
	return n, err
}

// FlushError is found by http.ResponseController.
func (p *patient) FlushError() error { return p.in(p.control.Flush) }

// SetWriteDeadline is found by http.ResponseController.
func (p *patient) SetWriteDeadline(t time.Time) error {
	p.own = !t.IsZero()
	return p.control.SetWriteDeadline(t)
}

// Unwrap is for http.ResponseController: what is not here is there.
func (p *patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }
