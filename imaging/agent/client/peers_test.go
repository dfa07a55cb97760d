package client_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ardoise/ardoise/imaging/agent/agenttest"
	"github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
)

// friend is a computer that answers as a test wants.
func friend(t *testing.T, answer func(w http.ResponseWriter, ids []chunk.ID)) job.Peer {
	t.Helper()
	key, err := client.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := client.Certificate(key)
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.URL.Path != job.PathPeerFrames || r.Header.Get(job.PeerTokenHeader) != "token" || len(b)%32 != 0 {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		var ids []chunk.ID
		for ; len(b) > 0; b = b[32:] {
			ids = append(ids, chunk.ID(b[:32]))
		}
		answer(w, ids)
	}))
	h.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	h.StartTLS()
	t.Cleanup(func() { h.CloseClientConnections(); h.Close() })
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	return job.Peer{Address: strings.TrimPrefix(h.URL, "https://"), Key: hex.EncodeToString(sum[:]), Token: "token"}
}

func TestFramesComeFromPeersWhereTheyAreRight(t *testing.T) {
	codec, err := chunk.NewCodec(1)
	if err != nil {
		t.Fatal(err)
	}
	s := agenttest.New()
	var ids []chunk.ID
	for i := range 300 {
		content := []byte(strings.Repeat(string(rune('a'+i%26)), i+1))
		id := chunk.Of(content)
		s.Chunks[id] = codec.Seal(id, content)
		ids = append(ids, id)
	}
	give := func(w http.ResponseWriter, ids []chunk.ID) {
		for _, id := range ids {
			_, _ = w.Write(s.Chunks[id].AppendTo(nil))
		}
	}
	var asked atomic.Int64 // of the peer of the case
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, ids []chunk.ID)
		change func(*job.Peer)
		most   int64 // requests that it may get; 0: any number
		some   bool  // frames come from it
	}{
		"honest":     {answer: give, some: true},
		"has a half": {answer: func(w http.ResponseWriter, ids []chunk.ID) { give(w, ids[:len(ids)/2]) }, some: true},
		"is busy":    {answer: func(w http.ResponseWriter, _ []chunk.ID) { http.Error(w, "busy", http.StatusServiceUnavailable) }},
		"has none":   {answer: func(w http.ResponseWriter, _ []chunk.ID) { http.Error(w, "none", 404) }},
		"lies": {answer: func(w http.ResponseWriter, ids []chunk.ID) {
			for _, id := range ids {
				_, _ = w.Write(codec.Seal(id, []byte("not what the id says")).AppendTo(nil))
			}
		}, most: 2},
		"gives others": {answer: func(w http.ResponseWriter, ids []chunk.ID) { give(w, []chunk.ID{ids[1], ids[0]}) }, most: 2},
		"rubbish":      {answer: func(w http.ResponseWriter, _ []chunk.ID) { _, _ = w.Write([]byte(strings.Repeat("rubbish", 9999))) }, most: 2},
		"breaks off": {answer: func(w http.ResponseWriter, ids []chunk.ID) {
			b := s.Chunks[ids[0]].AppendTo(nil)
			_, _ = w.Write(append(b, b[:40]...))
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, some: true, most: 2},
		"redirects":       {answer: func(w http.ResponseWriter, _ []chunk.ID) { w.Header().Set("Location", "/x"); w.WriteHeader(302) }, most: 2},
		"has another key": {answer: give, change: func(p *job.Peer) { p.Key = strings.Repeat("0", 64) }, most: -1},
		"is gone":         {answer: give, change: func(p *job.Peer) { p.Address = "127.0.0.1:1" }, most: -1},
		"no address":      {answer: give, change: func(p *job.Peer) { p.Address = "\x00" }, most: -1},
		"another token":   {answer: give, change: func(p *job.Peer) { p.Token = "t" }, most: -1},
	} {
		t.Run(name, func(t *testing.T) {
			asked.Store(0)
			p := friend(t, func(w http.ResponseWriter, ids []chunk.ID) { asked.Add(1); c.answer(w, ids) })
			if c.change != nil {
				c.change(&p)
			}
			s.Peers = func(string) []job.Peer { return []job.Peer{p} }
			s.Requests = map[string]int{}
			f := start(t, s, client.Options{}).Frames()
			if err := f.Share(); err != nil {
				t.Fatal(err)
			}
			at := 0
			err := f.Fetch(context.Background(), ids, func(frame chunk.Frame) error {
				if _, err := codec.Open(nil, frame); err != nil || frame.ID != ids[at] {
					t.Fatalf("frame %d is %s, %v", at, frame.ID, err)
				}
				at++
				return nil
			})
			if err != nil || at != len(ids) {
				t.Fatalf("%d of %d frames came: %v", at, len(ids), err)
			}
			if c.some != (f.FromPeers() > 0) {
				t.Errorf("%d bytes came from the peer, %d from the server", f.FromPeers(), f.Fetched())
			}
			if n := asked.Load(); c.most > 0 && n > c.most || c.most < 0 && n > 0 {
				t.Errorf("it was asked %d times", n)
			}
			if n := s.Requests[job.PathPeers]; n != 1 {
				t.Errorf("the server was asked for peers %d times", n)
			}
		})
	}
}

func TestAServerThatKnowsNoPeersIsAskedOnce(t *testing.T) {
	s := agenttest.New()
	c := start(t, s, client.Options{})
	f := c.Frames()
	if err := f.Share(); err != nil {
		t.Fatal(err)
	}
	_ = f.Fetch(context.Background(), []chunk.ID{{1}}, func(chunk.Frame) error { return nil })
	_ = f.Fetch(context.Background(), []chunk.ID{{1}}, func(chunk.Frame) error { return nil })
	if n := s.Requests[job.PathPeers]; n != 1 {
		t.Errorf("asked %d times", n)
	}
	if _, err := c.Serve(context.Background(), job.Serving{}); err == nil {
		t.Error("an offer that nobody takes is taken")
	}
}
