package session

import (
	"errors"
	"net"
	"slices"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast/udp"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// retryListen is how long a group that could not be joined is left alone.
const retryListen = 5 * time.Second

// socket is a udp.Receiver with the memory of its reads.
type socket struct {
	r       *udp.Receiver
	batch   *udp.Batch
	packets [][]byte
}

// Read implements PacketReceiver.
func (s *socket) Read() ([][]byte, error) {
	n, err := s.r.Read(s.batch)
	s.packets = s.packets[:0]
	for i := range n {
		s.packets = append(s.packets, s.batch.Packet(i))
	}
	return s.packets, err
}

// Drops implements PacketReceiver.
func (s *socket) Drops() (uint64, error) { return s.r.Drops() }

// Queued implements queue.
func (s *socket) Queued() (int64, error) { return s.r.Queued() }

// queue is a PacketReceiver that knows how many bytes have come and were not read yet.
type queue interface {
	Queued() (int64, error)
}

// Close implements PacketReceiver.
func (s *socket) Close() error { return s.r.Close() }

// listener is the group that is listened to just now.
type listener struct {
	PacketReceiver
	episode *episode
	stream  uint8
	done    chan struct{}
}

// close leaves the group and returns when nothing of it is processed any more.
func (l *listener) close() {
	_ = l.Close()
	<-l.done
}

// socketDrops returns how many packets this computer lost.
func (c *Client) socketDrops() uint64 {
	c.mu.Lock()
	l := c.listener
	c.mu.Unlock()
	if l == nil {
		return c.counts.drops.Load()
	}
	drops, err := l.Drops()
	if err != nil {
		return c.counts.drops.Load() // it was closed meanwhile
	}
	return c.counts.drops.Load() + drops
}

// queued returns how many bytes of the stream wait in the socket.
func (c *Client) queued() int64 {
	c.mu.Lock()
	l := c.listener
	c.mu.Unlock()
	if l == nil {
		return 0
	}
	q, ok := l.PacketReceiver.(queue)
	if !ok {
		return 0
	}
	n, err := q.Queued()
	if err != nil {
		return 0 // it was closed meanwhile
	}
	return n
}

// closeListener stops listening.
func (c *Client) closeListener() {
	c.mu.Lock()
	l := c.listener
	c.listener = nil
	c.mu.Unlock()
	if l == nil {
		return
	}
	if drops, err := l.Drops(); err == nil {
		c.counts.drops.Add(drops)
	}
	l.close()
}

// tune listens to the stream that the server ordered. Who was told to use HTTPS listens on only while nothing is heard:
// a stream that is too fast for us would take the line that HTTPS needs, one that does not reach us costs nothing.
func (c *Client) tune() {
	c.mu.Lock()
	e, l := c.episode, c.listener
	stream, listen := e.recv.Stream()
	if !listen {
		stream, listen = wire.StreamFast, e.packets == 0
	}
	listen = listen && !c.done
	c.mu.Unlock()
	if l != nil && (l.episode != e || l.stream != stream || !listen || l.ended()) {
		c.closeListener()
		l = nil
	}
	if l != nil || !listen || c.o.Listen == nil || c.ctx.Err() != nil || c.o.Now().Before(c.retry) {
		return
	}
	at := slices.IndexFunc(e.Channels, func(ch wire.Channel) bool { return ch.Stream == stream })
	if at < 0 {
		c.listens(e)
		return // a server that announces what it does not have
	}
	r, err := c.o.Listen(e.Channels[at])
	c.listens(e)
	if err != nil {
		c.o.Log.Warn("the group of the session cannot be joined", "group", e.Channels[at].Group, "error", err)
		c.retry = c.o.Now().Add(retryListen)
		return // meanwhile the server sees that nothing is heard
	}
	l = &listener{PacketReceiver: r, episode: e, stream: stream, done: make(chan struct{})}
	c.mu.Lock()
	c.listener = l
	c.mu.Unlock()
	c.work.Go(func() {
		defer close(l.done)
		c.listen(l)
	})
	if c.ctx.Err() != nil { // Close has begun meanwhile, and has not seen it
		c.closeListener()
	}
}

// listens notes that a packet could come from now on, or never will.
func (c *Client) listens(e *episode) {
	c.mu.Lock()
	if e.opened.IsZero() {
		e.opened = c.o.Now()
	}
	c.mu.Unlock()
}

// ended tells whether nothing is read any more.
func (l *listener) ended() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// opened is an authentic packet.
type opened struct {
	wire.Header
	symbol []byte
}

// listen reads packets until the listener is closed.
func (c *Client) listen(l *listener) {
	opener := l.episode.openers[l.stream]
	var authentic []opened
	for {
		packets, err := l.Read()
		switch {
		case errors.Is(err, net.ErrClosed) || c.ctx.Err() != nil:
			return
		case err != nil:
			c.o.Log.Warn("reading packets of the session", "error", err)
			if !c.pause(lookEvery) {
				return
			}
			continue
		}
		authentic = authentic[:0]
		for _, p := range packets {
			h, symbol, err := opener.Open(p)
			if err != nil {
				if reject, ok := err.(wire.Reject); ok { // errors.As would allocate, and rubbish may come at line rate
					c.counts.rejects[reject].Add(1)
				}
				continue
			}
			authentic = append(authentic, opened{h, symbol})
		}
		if len(authentic) > 0 {
			c.received(l.episode, c.o.Now(), authentic)
		}
	}
}

// received takes authentic packets.
func (c *Client) received(e *episode, now time.Time, packets []opened) {
	c.counts.packets.Add(uint64(len(packets)))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.episode != e {
		return
	}
	e.packets += uint64(len(packets))
	for _, p := range packets {
		if p.Kind == wire.KindProbe {
			continue
		}
		if p.Generation > 0 {
			c.counts.first.CompareAndSwap(0, now.UnixNano())
		}
		k := key{p.Generation, p.Block}
		if !e.fits(k, p.Sources) {
			continue
		}
		c.obeyVerdict(e, k, p.Symbol, p.symbol, e.recv.Receive(now, p.Header))
	}
}

// rescued takes a symbol that came over HTTPS.
func (c *Client) rescued(e *episode, a wire.Answer) {
	c.counts.viaHTTPS.Add(int64(len(a.Content)))
	c.mu.Lock()
	defer c.mu.Unlock()
	k := key{a.Generation, a.Block}
	if c.episode != e || !e.fits(k, a.Sources) {
		return
	}
	c.counts.first.CompareAndSwap(0, c.o.Now().UnixNano())
	c.obeyVerdict(e, k, a.Symbol, a.Content, e.recv.Rescued(c.o.Now(), a.Generation, a.Block, a.Symbol))
}
