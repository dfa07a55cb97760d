package door_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/door"
)

// queue is a listener of connections whose other ends say where they come from.
type queue struct{ conns chan net.Conn }

func (q *queue) Accept() (net.Conn, error) { return <-q.conns, nil }
func (q *queue) Close() error              { return nil }
func (q *queue) Addr() net.Addr            { return &net.TCPAddr{} }

// guest is a connection from an address.
type guest struct {
	net.Conn
	from string
	once sync.Once
	left chan struct{} // closed when the server closes it
}

func (g *guest) RemoteAddr() net.Addr {
	a, _ := net.ResolveTCPAddr("tcp", g.from)
	return a
}

func (g *guest) Close() error {
	g.once.Do(func() { close(g.left) })
	return nil
}

func (g *guest) gone() bool {
	select {
	case <-g.left:
		return true
	default:
		return false
	}
}

// Strangers who hold connections open take their own share and nobody else's, and nobody waits for them to go.
func TestNobodyIsKeptOutByIdleStrangers(t *testing.T) {
	q := &queue{conns: make(chan net.Conn, 1)}
	l := door.Share(q, 3, 5)
	come := func(from string) (*guest, net.Conn) {
		t.Helper()
		g := &guest{from: from, left: make(chan struct{})}
		q.conns <- g
		c, err := l.Accept()
		if err != nil || g.gone() {
			t.Fatalf("%s is not let in: %v", from, err)
		}
		return g, c
	}
	var idle []*guest
	for range 4 {
		g, _ := come("192.0.2.1:1")
		idle = append(idle, g)
	}
	if !idle[0].gone() || idle[1].gone() {
		t.Fatalf("of four from one address the oldest gives way: %v %v", idle[0].gone(), idle[1].gone())
	}
	first, _ := come("192.0.2.2:1")
	second, conn := come("[2001:db8::1]:1")
	if third, _ := come("[2001:db8::2]:1"); first.gone() || second.gone() || third.gone() || !idle[1].gone() || idle[2].gone() {
		t.Error("of too many in all not the oldest of the greediest gave way")
	}
	if err := errors.Join(conn.Close(), conn.Close()); err != nil { // a place is given back once
		t.Fatal(err)
	}
	if _, _ = come("192.0.2.3:1"); idle[2].gone() {
		t.Error("a place that was given back was not there")
	}
	flood, _ := come("198.51.100.1:1") // the greediest still has two
	if !idle[2].gone() || first.gone() || flood.gone() {
		t.Error("not the greediest gave way")
	}
	if _, _ = come("198.51.100.2:1"); flood.gone() || !idle[3].gone() { // everybody has one: the oldest goes
		t.Error("where everybody has one connection the oldest did not give way")
	}
}

// Who asks for much and takes nothing is left, by HTTP/1.1 and by HTTP/2; who takes it late but takes it gets all of it.
func TestWhoDoesNotTakeAnAnswerIsLeft(t *testing.T) {
	for _, two := range []bool{false, true} {
		wrote := make(chan error, 1)
		s := httptest.NewUnstartedServer(door.Patient(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/small" {
				_, _ = io.WriteString(w, "small")
				return
			}
			_, err := w.Write(make([]byte, 64<<20))
			wrote <- err
		}), 200*time.Millisecond))
		s.EnableHTTP2 = two
		s.StartTLS()
		get := func(path string) *http.Response {
			t.Helper()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := s.Client().Do(r)
			if err != nil {
				t.Fatalf("HTTP/2 %v: %v", two, err)
			}
			return res
		}
		res := get("/")
		if err := <-wrote; err == nil {
			t.Errorf("HTTP/2 %v: an answer that nobody takes is given whole", two)
		}
		_ = res.Body.Close()
		res = get("/")
		if n, err := io.Copy(io.Discard, res.Body); n != 64<<20 || err != nil {
			t.Errorf("HTTP/2 %v: whoever takes his answer gets %d bytes, %v", two, n, err)
		}
		_ = res.Body.Close()
		if err := <-wrote; err != nil {
			t.Errorf("HTTP/2 %v: %v", two, err)
		}
		res = get("/small")
		if b, err := io.ReadAll(res.Body); string(b) != "small" || err != nil || res.ProtoMajor == 2 != two {
			t.Errorf("HTTP/2 %v: %q, %v, %s", two, b, err, res.Proto)
		}
		_ = res.Body.Close()
		s.Close()
	}
}
