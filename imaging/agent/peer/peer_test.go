package peer_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/agent/peer"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

const size = 4096

// master makes a disk of n chunks and its manifest. The first chunk lies on the disk twice.
func master(n int) ([]byte, *manifest.Manifest, []chunk.ID) {
	disk, m, ids := []byte{}, &manifest.Manifest{}, []chunk.ID{}
	add := func(content []byte) chunk.ID {
		id := chunk.Of(content)
		half := uint32(len(content) / 2)
		m.Chunks.Append(manifest.Entry{ID: id, Length: uint32(len(content)), Index: uint32(m.Chunks.Len()), Pieces: []manifest.Piece{
			{At: 0, Length: half, Offset: int64(len(disk))}, {At: half, Length: half, Offset: int64(len(disk)) + int64(half)}}})
		disk = append(disk, content...)
		return id
	}
	for i := range n {
		ids = append(ids, add(bytes.Repeat([]byte{byte(i), 1, 2, byte(i)}, size/4)))
	}
	add(disk[:size])
	return disk, m, ids
}

// start serves a disk and returns a function that asks.
func start(t *testing.T, disk []byte, m *manifest.Manifest, token string) (*peer.Server, func(path, token string, body []byte) (int, []byte)) {
	t.Helper()
	key, err := client.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := client.Certificate(key)
	if err != nil {
		t.Fatal(err)
	}
	s, err := peer.New(peer.Options{Disk: bytes.NewReader(disk), Manifest: m, Certificate: cert, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	t.Cleanup(web.CloseIdleConnections)
	return s, func(path, token string, body []byte) (int, []byte) {
		t.Helper()
		r, err := http.NewRequest(http.MethodPost, "https://"+l.Addr().String()+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(job.PeerTokenHeader, token)
		a, err := web.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = a.Body.Close() }()
		b, err := io.ReadAll(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		return a.StatusCode, b
	}
}

func pack(ids ...chunk.ID) (b []byte) {
	for _, id := range ids {
		b = append(b, id[:]...)
	}
	return b
}

// frames opens what came.
func frames(t *testing.T, b []byte) (ids []chunk.ID) {
	t.Helper()
	codec, err := chunk.NewCodec(1)
	if err != nil {
		t.Fatal(err)
	}
	for len(b) > 0 {
		f, n, err := chunk.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := codec.Open(nil, f); err != nil {
			t.Fatal(err)
		}
		ids, b = append(ids, f.ID), b[n:]
	}
	return ids
}

func TestWhatIsProvenIsGiven(t *testing.T) {
	disk, m, ids := master(6)
	disk[7] ^= 1        // the first chunk is rotten in one of its two places
	disk[3*size+9] ^= 1 // the fourth in its only one
	s, ask := start(t, disk, m, "token")
	status, b := ask(job.PathPeerFrames, "token", pack(ids[0], ids[2], ids[1]))
	if got := frames(t, b); status != 200 || len(got) != 3 || got[0] != ids[0] || got[1] != ids[2] || got[2] != ids[1] {
		t.Errorf("status %d, %d frames", status, len(got))
	}
	if s.Sent() != int64(len(b)) {
		t.Errorf("%d bytes sent, %d came", s.Sent(), len(b))
	}
	// What is not here, or rotten, ends the answer; when it is the first, the status says so.
	unknown := chunk.Of([]byte("unknown"))
	for name, ask4 := range map[string][]byte{"rotten": pack(ids[4], ids[3], ids[5]), "unknown": pack(ids[4], unknown, ids[5])} {
		if status, b := ask(job.PathPeerFrames, "token", ask4); status != 200 || len(frames(t, b)) != 1 {
			t.Errorf("%s: status %d, %d bytes", name, status, len(b))
		}
	}
	for name, ask1 := range map[string][]byte{"rotten": pack(ids[3]), "unknown": pack(unknown, ids[0])} {
		if status, _ := ask(job.PathPeerFrames, "token", ask1); status != http.StatusNotFound {
			t.Errorf("%s first: status %d", name, status)
		}
	}
}

func TestStrangersGetNothing(t *testing.T) {
	disk, m, ids := master(2)
	s, ask := start(t, disk, m, "token")
	for name, c := range map[string]struct {
		path, token string
		body        []byte
		status      int
	}{
		"no token":      {job.PathPeerFrames, "", pack(ids[0]), 403},
		"another token": {job.PathPeerFrames, "tokem", pack(ids[0]), 403},
		"another path":  {"/disk", "token", pack(ids[0]), 404},
		"no ids":        {job.PathPeerFrames, "token", nil, 400},
		"half an id":    {job.PathPeerFrames, "token", pack(ids[0])[:31], 400},
		"too many ids":  {job.PathPeerFrames, "token", bytes.Repeat(pack(ids[0]), job.MaxIDs+1), 400},
	} {
		if status, b := ask(c.path, c.token, c.body); status != c.status || bytes.Contains(b, disk[:64]) {
			t.Errorf("%s: status %d, want %d", name, status, c.status)
		}
	}
	if s.Sent() != 0 {
		t.Errorf("%d bytes were given", s.Sent())
	}
	s.SetToken("")
	s.SetToken("another")
	for token, want := range map[string]int{"token": 403, "": 403, "another": 200} {
		if status, _ := ask(job.PathPeerFrames, token, pack(ids[0])); status != want {
			t.Errorf("after the token has changed %q gets %d", token, status)
		}
	}
	if _, err := peer.New(peer.Options{Disk: bytes.NewReader(disk), Manifest: m}); err == nil {
		t.Error("it serves without a token")
	}
}
