package client_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ardoise/ardoise/imaging/agent/agenttest"
	"github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
)

func start(t *testing.T, s *agenttest.Server, o client.Options) *client.Client {
	t.Helper()
	o.Server = s.Start("127.0.0.1:0")
	t.Cleanup(s.Close)
	if o.Fingerprint == ([32]byte{}) {
		o.Fingerprint = s.Authority.Fingerprint()
	}
	if o.Key == nil {
		key, err := client.NewKey()
		if err != nil {
			t.Fatal(err)
		}
		o.Key = key
	}
	o.Pause = time.Millisecond
	c, err := client.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestOnlyTheSitesServerIsBelieved(t *testing.T) {
	other := agenttest.NewAuthority()
	for name, c := range map[string]struct {
		leaf    func(s *agenttest.Server) tls.Certificate
		believe bool
	}{
		"signed by the pinned authority, all dates over": {func(s *agenttest.Server) tls.Certificate { return s.Authority.Leaf(nil) }, true},
		"another authority": {func(*agenttest.Server) tls.Certificate { return other.Leaf(nil) }, false},
		"another authority, the pinned certificate only shown": {func(s *agenttest.Server) tls.Certificate {
			l := other.Leaf(nil)
			l.Certificate[1] = s.Authority.Certificate.Raw
			return l
		}, false},
		"the authority is not shown": {func(s *agenttest.Server) tls.Certificate {
			l := s.Authority.Leaf(nil)
			l.Certificate = l.Certificate[:1]
			return l
		}, false},
		"a client's certificate of the authority": {func(s *agenttest.Server) tls.Certificate {
			return s.Authority.Leaf(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
		}, false},
		"signed by a leaf of the authority": {func(s *agenttest.Server) tls.Certificate {
			leaf := s.Authority.Leaf(nil)
			parsed, err := x509.ParseCertificate(leaf.Certificate[0])
			if err != nil {
				t.Fatal(err)
			}
			forged := (&agenttest.Authority{Key: leaf.PrivateKey.(*ecdsa.PrivateKey), Certificate: parsed}).Leaf(nil)
			forged.Certificate = append(forged.Certificate, s.Authority.Certificate.Raw)
			return forged
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := agenttest.New()
			s.Leaf = c.leaf(s)
			_, err := start(t, s, client.Options{}).Trust(context.Background())
			var unproven *client.UnprovenError
			if c.believe && err != nil || !c.believe && !errors.As(err, &unproven) {
				t.Errorf("Trust() = %v, believe %v", err, c.believe)
			}
		})
	}
}

func TestServerWithTLS12IsRefused(t *testing.T) {
	s := agenttest.New()
	leaf := s.Authority.Leaf(nil)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MaxVersion: tls.VersionTLS12, Certificates: []tls.Certificate{leaf}})
	if err != nil {
		t.Fatal(err)
	}
	hs := &http.Server{Handler: http.NotFoundHandler()}
	go func() { _ = hs.Serve(l) }()
	t.Cleanup(func() { _ = hs.Close() })
	lost := make(chan error, 1)
	c, err := client.New(client.Options{Server: l.Addr().String(), Fingerprint: s.Authority.Fingerprint(), Lost: func(err error) { lost <- err }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { _, _ = c.Trust(ctx) }()
	if err := <-lost; !strings.Contains(err.Error(), "version") {
		t.Errorf("TLS 1.2 gives %v", err)
	}
	cancel()
}

func TestKeyIsKeptAndNamed(t *testing.T) {
	s := agenttest.New()
	key, err := client.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	b, err := client.MarshalKey(key)
	if err != nil {
		t.Fatal(err)
	}
	again, err := client.ParseKey(b)
	if err != nil || !again.Equal(key) {
		t.Fatalf("ParseKey(MarshalKey(k)) = %v, %v", again, err)
	}
	if _, err := client.ParseKey(b[:50]); err == nil {
		t.Error("half a key is taken")
	}
	name, err := client.KeyName(key)
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, s, client.Options{Key: again})
	w, err := c.Hello(context.Background(), job.Hello{MAC: "x"})
	if err != nil || w.State != job.StateEnrolled {
		t.Fatalf("Hello = %+v, %v", w, err)
	}
	if s.Keys[0] != name {
		t.Errorf("the server saw key %s, we are %s", s.Keys[0], name)
	}
}

func TestStageTwoIsCheckedBeforeItIsUsed(t *testing.T) {
	good := bytes.Repeat([]byte("stage two "), 10000)
	s := agenttest.New()
	s.StageTwo = good
	c := start(t, s, client.Options{})
	trust, err := c.Trust(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	fetch := func() error {
		return c.StageTwo(context.Background(), trust.StageTwo, func() (io.Writer, error) { return &bytes.Buffer{}, nil }, nil)
	}
	if err := fetch(); err != nil {
		t.Errorf("the right archive: %v", err)
	}
	flipped := bytes.Clone(good)
	flipped[777] ^= 1
	for name, b := range map[string][]byte{"one bit flipped": flipped, "shorter": good[:len(good)-1], "longer": append(bytes.Clone(good), 'x')} {
		s.StageTwo = b
		var altered *client.AlteredError
		if err := fetch(); !errors.As(err, &altered) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func fill(t *testing.T, s *agenttest.Server, n int) []chunk.ID {
	t.Helper()
	codec, err := chunk.NewCodec(1)
	if err != nil {
		t.Fatal(err)
	}
	var ids []chunk.ID
	for range n {
		b := make([]byte, 3000)
		_, _ = rand.Read(b)
		id := chunk.Of(b)
		s.Chunks[id] = codec.Seal(id, b)
		ids = append(ids, id)
	}
	return ids
}

func TestFramesComeInOrderThroughALostServer(t *testing.T) {
	s := agenttest.New()
	ids := fill(t, s, 1000)
	var lost, found atomic.Int32
	c := start(t, s, client.Options{Lost: func(error) { lost.Add(1) }, Found: func() { found.Add(1) }})
	s.CutFrames.Store(5)
	src := c.Frames()
	var got []chunk.ID
	err := src.Fetch(context.Background(), ids, func(f chunk.Frame) error {
		got = append(got, f.ID)
		if len(got) == 400 {
			s.Down.Store(true)
			time.AfterFunc(50*time.Millisecond, func() { s.Down.Store(false) })
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(ids, got); d != "" {
		t.Errorf("frames out of order: %s", d)
	}
	if src.Fetched() < 1000*3000 || lost.Load() == 0 || lost.Load() != found.Load() {
		t.Errorf("fetched %d bytes, lost %d, found %d", src.Fetched(), lost.Load(), found.Load())
	}
}

func TestAChunkThatIsNotThereEndsTheFetch(t *testing.T) {
	s := agenttest.New()
	ids := fill(t, s, 100)
	delete(s.Chunks, ids[40])
	c := start(t, s, client.Options{})
	n := 0
	err := c.Frames().Fetch(context.Background(), ids, func(chunk.Frame) error { n++; return nil })
	var p *client.ProblemError
	if !errors.As(err, &p) || p.Problem.Code != "damaged" || n > 40 {
		t.Errorf("Fetch = %v after %d frames", err, n)
	}
}

func TestYieldEndsTheFetch(t *testing.T) {
	s := agenttest.New()
	ids := fill(t, s, 600)
	c := start(t, s, client.Options{})
	stop := errors.New("disk is full")
	if err := c.Frames().Fetch(context.Background(), ids, func(chunk.Frame) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("Fetch = %v", err)
	}
}

func TestCaptureGoesOnAfterALostServer(t *testing.T) {
	s := agenttest.New()
	src := agenttest.New()
	ids := fill(t, src, 50)
	c := start(t, s, client.Options{Lost: func(error) { s.Down.Store(false) }})
	sink := c.Sink("7/1")
	s.Put[ids[0]] = src.Chunks[ids[0]]
	s.Down.Store(true)
	want, err := sink.Missing(context.Background(), ids)
	if err != nil || want[0] || !want[1] || len(want) != 50 {
		t.Fatalf("Missing = %v, %v", want, err)
	}
	var frames []chunk.Frame
	for _, id := range ids[1:] {
		frames = append(frames, src.Chunks[id])
	}
	s.Down.Store(true)
	if err := sink.Put(context.Background(), frames); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(src.Chunks, s.Put); d != "" {
		t.Error(d)
	}
	s.Down.Store(true)
	p, err := sink.Publish(context.Background(), described([]byte{1}, bytes.Repeat([]byte{2}, 5<<20)))
	if err != nil || p.Version != 1 || len(s.Publishes) != 1 {
		t.Fatalf("Publish = %+v, %v", p, err)
	}
	if got := s.Publishes[0]; !bytes.Equal(got.Manifest, []byte{1}) || len(got.Names) != 5<<20 {
		t.Errorf("published a manifest of %d bytes and names of %d", len(got.Manifest), len(got.Names))
	}
}

func TestWaitingEndsWithItsContext(t *testing.T) {
	s := agenttest.New()
	s.Down.Store(true)
	ctx, cancel := context.WithCancel(context.Background())
	c := start(t, s, client.Options{Lost: func(error) { cancel() }})
	if _, err := c.Trust(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Trust = %v", err)
	}
}

// described is what a capture ends with.
func described(manifest, names []byte) client.Description {
	part := func(b []byte) func(io.Writer) error {
		return func(w io.Writer) error {
			_, err := w.Write(b)
			return err
		}
	}
	return client.Description{Manifest: part(manifest), Names: part(names)}
}

// What goes wrong on this side is no reason to wait for a server.
func TestADescriptionThatCannotBeWrittenEndsAtOnce(t *testing.T) {
	s := agenttest.New()
	c := start(t, s, client.Options{Lost: func(err error) { t.Errorf("it waits for the server: %v", err) }})
	d := described([]byte{1}, nil)
	broken := errors.New("a chunk outside its volume")
	d.Names = func(io.Writer) error { return broken }
	if _, err := c.Sink("7/1").Publish(t.Context(), d); !errors.Is(err, broken) {
		t.Errorf("Publish = %v, want what the function failed with", err)
	}
	if len(s.Publishes) != 0 {
		t.Errorf("%d were published", len(s.Publishes))
	}
}
