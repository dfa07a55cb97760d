package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
)

// How other computers are asked.
const (
	askPeersEvery = 10 * time.Second
	askPeersTime  = 5 * time.Second
	peerDial      = 3 * time.Second
	peerTime      = 20 * time.Second // for a batch: the server is never slower than that
	perPeer       = 2                // batches at a time from one
	maxPeerAnswer = (batchMost + 1) * chunk.MaxFrameSize
)

// Serve tells, once, that this computer gives chunks to others.
func (c *Client) Serve(ctx context.Context, s job.Serving) (job.ServingReply, error) {
	var reply job.ServingReply
	return reply, c.onceJSON(ctx, http.MethodPost, job.PathServe, s, &reply)
}

// Peers asks, once, which computers give chunks of the running deploy.
func (c *Client) Peers(ctx context.Context) ([]job.Peer, error) {
	var list []job.Peer
	err := c.onceJSON(ctx, http.MethodGet, job.PathPeers, nil, &list)
	return list[:min(len(list), job.MaxPeers)], err
}

// peers are the computers that are asked before the server is.
type peers struct {
	c     *Client
	codec *chunk.Codec
	bytes atomic.Int64

	mu    sync.Mutex
	known map[string]*peer // by key, ever told of
	now   []*peer          // told of last
	next  time.Time        // when the server is asked again who there is
	off   bool             // it knows no peers
}

// peer is one of them. The peers' lock guards it.
type peer struct {
	job.Peer
	web    *http.Client
	busy   int
	failed bool // it did not give what it should: never asked again
}

// Share has the source ask computers that have finished before it asks the server. What they give is proven by hash
// here; whatever else they do costs only time.
func (f *Frames) Share() error {
	codec, err := chunk.NewCodec(1)
	if err != nil {
		return err
	}
	f.peers = &peers{c: f.c, codec: codec, known: map[string]*peer{}}
	return nil
}

// FromPeers returns the bytes of frames that other computers have given so far.
func (f *Frames) FromPeers() int64 {
	if f.peers == nil {
		return 0
	}
	return f.peers.bytes.Load()
}

// fromPeers returns the frames of the first ids, as far as another computer gives them.
func (f *Frames) fromPeers(ctx context.Context, ids []chunk.ID) []chunk.Frame {
	if f.peers == nil {
		return nil
	}
	p := f.peers.choose(ctx)
	if p == nil {
		return nil
	}
	got, err := f.peers.fetch(ctx, p, ids)
	f.peers.mu.Lock()
	p.busy--
	p.failed = p.failed || err != nil && ctx.Err() == nil
	f.peers.mu.Unlock()
	for _, frame := range got {
		f.peers.bytes.Add(int64(frame.Size()))
	}
	return got
}

// choose returns the idlest peer, nil when there is none to be asked.
func (p *peers) choose(ctx context.Context) *peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.off && !time.Now().Before(p.next) {
		p.look(ctx)
	}
	var best *peer
	for _, q := range p.now {
		if !q.failed && q.busy < perPeer && (best == nil || q.busy < best.busy) {
			best = q
		}
	}
	if best != nil {
		best.busy++
	}
	return best
}

// look asks the server who there is. The caller holds the lock: the others would have to wait for the answer, too.
func (p *peers) look(ctx context.Context) {
	p.next = time.Now().Add(askPeersEvery)
	ctx, stop := context.WithTimeout(ctx, askPeersTime)
	defer stop()
	list, err := p.c.Peers(ctx)
	var refused *ProblemError
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		p.off = true
	}
	p.now = nil
	for _, told := range list {
		q := p.known[told.Key]
		if q == nil {
			if len(p.known) == 10*job.MaxPeers {
				continue
			}
			q = &peer{Peer: told, web: webOf(told.Key)}
			p.known[told.Key] = q
		}
		if q.busy == 0 {
			q.Peer = told // it may have started anew
		}
		p.now = append(p.now, q)
	}
}

// webOf returns an HTTP client that talks to the computer with this key, and to no other.
func webOf(key string) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: peerDial}).DialContext,
			TLSHandshakeTimeout: peerDial,
			TLSClientConfig: &tls.Config{
				MinVersion:         tls.VersionTLS13,
				InsecureSkipVerify: true, // a computer is proven by its key, not by who signed for it
				VerifyConnection:   func(s tls.ConnectionState) error { return proveKey(s.PeerCertificates, key) },
			},
			MaxIdleConnsPerHost: perPeer, IdleConnTimeout: 20 * time.Second, DisableCompression: true, ReadBufferSize: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// fetch returns the frames of the first ids that a peer gave, proven. An error is of the peer; that it has no more, or no
// time, is none.
func (p *peers) fetch(ctx context.Context, q *peer, ids []chunk.ID) ([]chunk.Frame, error) {
	ctx, stop := context.WithTimeout(ctx, peerTime)
	defer stop()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+q.Address+job.PathPeerFrames, bytes.NewReader(pack(ids)))
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", q.Address, err)
	}
	r.Header.Set(job.PeerTokenHeader, q.Token)
	r.Header.Set("Content-Type", octets)
	a, err := q.web.Do(r)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", q.Address, err)
	}
	defer func() { _ = a.Body.Close() }()
	switch a.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusServiceUnavailable:
		return nil, nil
	default:
		return nil, fmt.Errorf("asking %s: it answers %s", q.Address, a.Status)
	}
	body := io.LimitReader(a.Body, maxPeerAnswer)
	var got []chunk.Frame
	content := make([]byte, 0, chunk.MaxSize+chunk.Spare)
	for _, id := range ids {
		f, err := chunk.Read(body)
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return got, nil
		}
		if err == nil && f.ID != id {
			err = &AlteredError{fmt.Sprintf("chunk %s came instead", f.ID)}
		}
		if err == nil {
			_, err = p.codec.Open(content, f)
		}
		if err != nil {
			return got, fmt.Errorf("chunk %s from %s: %w", id, q.Address, err)
		}
		got = append(got, f)
	}
	_, _ = io.CopyN(io.Discard, body, 1) // so that the connection is used again
	return got, nil
}
