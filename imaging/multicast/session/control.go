package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast"
	"github.com/ardoise/ardoise/imaging/multicast/udp"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

const (
	answerTime  = 15 * time.Second // for a short answer
	unknownFor  = 30 * time.Second // a session that the server does not know may be about to begin again
	rescueEvery = 50 * time.Millisecond
	rescueTime  = time.Minute           // for the answer to one request
	reportLook  = 20 * time.Millisecond // while no packet comes: the first one may make a report due 20 ms later
	maxAnswer   = 16 << 20              // bytes of a short answer: orders name all generations
	maxReason   = 1024                  // bytes of a refusal that are read
)

// episode is the membership in one start of a server.
type episode struct {
	wire.Joined
	recv     *multicast.Receiver
	openers  [wire.Streams]*wire.Opener
	arrivals []*arrival // by generation
	blocks   map[key]*incoming
	planned  []bool          // by place in the catalogue: it is in a plan that has come
	plans    int             // how many have
	left     map[uint32]bool // places that this server could not give
	expect   time.Time       // since when the server has something to send
	opened   time.Time       // when its group was, or could not be; zero: not yet
	packets  uint64          // authentic ones
	reported uint64          // of these, when the last report was made
	lost     uint64          // as last reported
	told     toldNeeds
	broken   bool // an index could not be had
	betrayed bool // an insider's packets came: said once
	looked   bool // the holder's needs were looked at since it began
}

// toldNeeds is which needs the server has heard of.
type toldNeeds struct {
	changes uint64
	plans   int
}

// control keeps us in the session until everything is done: it joins, reports when a report is due, obeys, and joins
// again when the server has forgotten us.
func (c *Client) control() {
	trouble := trouble{client: c}
	for c.ctx.Err() == nil && !c.over() {
		joined, err := c.join()
		if err == nil {
			trouble.over()
			if err = c.adopt(joined); err != nil {
				c.die(err)
				return
			}
			err = c.stay(&trouble)
			if c.over() {
				return
			}
			c.counts.rejoins.Add(1)
		}
		if c.ctx.Err() != nil || !trouble.bear(err) {
			return
		}
	}
}

// over tells whether everything is done and the server knows, or has no session any more that could.
func (c *Client) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.done && (c.told || c.episode == nil)
}

// trouble is a server that does not answer, or not as it should.
type trouble struct {
	client *Client
	since  time.Time
	wait   time.Duration
}

// over says that the server has answered.
func (t *trouble) over() { t.since, t.wait = time.Time{}, 0 }

// bear waits, longer each time, before the server is asked again. It is false when it shall not be.
func (t *trouble) bear(err error) bool {
	c := t.client
	if err == nil {
		return true
	}
	now := c.o.Now()
	if t.since.IsZero() {
		t.since, t.wait = now, firstWait/2
		c.o.Log.Warn("the server of the session does not answer", "error", err)
	}
	lasted := now.Sub(t.since)
	if !transient(err) && (!forgotten(err) || lasted >= unknownFor) {
		c.die(err)
		return false
	}
	if c.o.GiveUp > 0 && lasted >= c.o.GiveUp {
		c.die(&EndedError{Reason: fmt.Sprintf("its server does not answer: %v", err)})
		return false
	}
	t.wait = min(2*t.wait, longestWait)
	return c.pause(t.wait)
}

// pause waits; false when the client was closed.
func (c *Client) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.ctx.Done():
		return false
	}
}

// await waits, or until something is to be reported at once; ok is false when the client was closed.
func (c *Client) await(d time.Duration) (speak, ok bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return false, true
	case <-c.speak:
		return true, true
	case <-c.ctx.Done():
		return false, false
	}
}

// forgotten tells whether an answer says that there is no such session, or that we are not in it.
func forgotten(err error) bool {
	var refused *RefusedError
	return errors.As(err, &refused) && (refused.Status == http.StatusNotFound || refused.Status == http.StatusGone)
}

// join asks to become a member.
func (c *Client) join() (wire.Joined, error) {
	ask := wire.Join{
		Manifest: c.o.Manifest, Name: c.o.Name, Link: c.o.Link, MTU: c.o.MTU,
		Multicast: c.o.Listen != nil && (c.o.MTU == 0 || c.o.MTU >= udp.MaxPayload+udp.Headers),
	}
	var joined wire.Joined
	if err := c.post(c.ctx, "join", ask, &joined); err != nil {
		return wire.Joined{}, err
	}
	return joined, nil
}

// adopt begins an episode. What was written the holder knows; everything else comes again.
func (c *Client) adopt(joined wire.Joined) error {
	now := c.o.Now()
	e := &episode{Joined: joined, blocks: map[key]*incoming{}, left: map[uint32]bool{}}
	for stream := range uint8(wire.Streams) {
		k, err := wire.DeriveKey(joined.Secret, joined.Salt, joined.Session, stream)
		if err != nil {
			return err
		}
		e.openers[stream] = wire.NewOpener(k, joined.Session, stream)
	}
	e.recv = multicast.NewReceiver(now, multicast.ReceiverOptions{Member: joined.Member, Memory: c.o.Memory - c.o.Memory/4}, joined.Orders)
	c.closeListener()
	c.mu.Lock()
	if c.episode != nil {
		c.drop(c.episode)
	}
	c.episode, c.ended, c.deaf = e, false, false
	if c.cat != nil {
		e.planned = make([]bool, c.cat.size())
	}
	c.learn(joined.Orders)
	c.mu.Unlock()
	c.tune()
	c.listenProbe(e)
	return nil
}

// stay reports and obeys until the server has forgotten us, or the client is closed.
func (c *Client) stay(t *trouble) error {
	for {
		c.mu.Lock()
		at, flowing := c.episode.recv.ReportAt(), c.episode.packets > c.episode.reported
		c.mu.Unlock()
		if d := at.Sub(c.o.Now()); d > 0 {
			if !flowing {
				d = min(d, reportLook)
			}
			if spoke, ok := c.await(d); !ok {
				return nil
			} else if !spoke {
				continue // more packets have made it due later, or the first one earlier
			}
		}
		err := c.report(c.ctx)
		switch {
		case c.ctx.Err() != nil:
			return nil
		case err == nil:
			t.over()
			if c.over() {
				return nil
			}
		case forgotten(err):
			c.mu.Lock()
			c.told = c.told || c.done
			c.mu.Unlock()
			return err
		case !t.bear(err): // meanwhile packets are received as ever
			return nil
		}
		c.tune()
	}
}

// report tells the server how far we are and takes its orders.
func (c *Client) report(ctx context.Context) error {
	drops, queued := c.socketDrops(), c.queued()
	c.mu.Lock()
	e := c.episode
	if e == nil {
		c.mu.Unlock()
		return nil
	}
	c.look()
	now := c.o.Now()
	if forged := c.counts.rejects[wire.RejectForged].Load(); forged > 2*c.forged {
		c.forged = forged // told when it has doubled: the network may bring 80,000 a second
		c.notice(wire.Event{Code: wire.EventForged, Count: forged, Text: "packets of the session have a wrong tag"})
	}
	events := c.events
	disk := multicast.Disk{Rate: c.diskRate(), SocketDrops: drops, Queued: queued, Events: events, Done: c.done}
	tells := toldNeeds{c.seen, e.plans}
	if c.holder != nil && tells != e.told {
		disk.Needs = []wire.MasterRuns{{Master: e.Master, Runs: c.runs(e)}}
	}
	report := e.recv.Report(now, disk)
	e.reported = e.packets
	c.mu.Unlock()

	var orders wire.Orders
	if err := c.post(ctx, "report", report, &orders); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if disk.Needs != nil {
		e.told = tells
	}
	c.told = c.told || disk.Done
	c.events = c.events[min(len(events), len(c.events)):]
	c.counts.lost.Add(report.Lost - min(e.lost, report.Lost))
	e.lost = report.Lost
	if c.episode == e {
		e.recv.Obey(c.o.Now(), orders)
		c.learn(orders)
	}
	return nil
}

// runs gives the needs of all chunks, as far as the server has to know them: what is in a plan that we have, our deficits
// tell. The caller holds the lock.
func (c *Client) runs(e *episode) wire.Runs {
	var runs wire.Runs
	for place, need := range c.needs {
		if place < len(e.planned) && e.planned[place] {
			need = wire.Held
		}
		runs = runs.Add(1, need)
	}
	return runs.Coarse(wire.MaxRuns)
}

// diskRate returns how many bytes of frames a second the disk could take. The caller holds the lock.
func (c *Client) diskRate() int64 {
	content := c.counts.content.Load()
	if c.holder == nil || content == 0 {
		return 0
	}
	return int64(float64(c.holder.DiskRate()) * float64(c.counts.taken.Load()) / float64(content))
}

// learn takes what orders say of the session. The caller holds the lock.
func (c *Client) learn(o wire.Orders) {
	e := c.episode
	for stream, opener := range e.openers {
		opener.Told(o.Sequences[stream])
	}
	if (o.Ahead || c.counts.rejects[wire.RejectAhead].Load() > 0) && !e.betrayed {
		e.betrayed = true
		c.notice(wire.Event{Code: wire.EventInsider, Text: "packets of the session came that its server has not sent"})
	}
	for _, g := range o.Generations {
		if int(g.Number) != len(e.arrivals) || g.Check() != nil {
			continue // known, or nothing that can be: the server's answer to the next report tells again
		}
		a := &arrival{episode: e, Generation: g, partials: map[int]*partial{}, vain: map[int]bool{}}
		e.arrivals = append(e.arrivals, a)
		switch {
		case g.Number == 0 && c.hasManifest():
			c.skipManifest()
		case e.expect.IsZero():
			e.expect = c.o.Now()
		}
	}
	c.ended = o.End
	if !c.deaf && c.o.Listen != nil && c.silent() {
		c.deaf = true
		c.notice(wire.Event{Code: wire.EventNoMulticast, Text: "no packet of the session came within 3 s"})
	}
}

// haveManifest notes that generation 0 has come: the bundle, or nil where it was not to be had that way.
func (c *Client) haveManifest(bundle []byte) {
	if !c.hasManifest() {
		c.bundle = bundle
		close(c.arrived)
	}
	c.skipManifest()
}

// skipManifest says that generation 0 is not needed. The caller holds the lock.
func (c *Client) skipManifest() {
	if e := c.episode; e != nil && len(e.arrivals) > 0 {
		for b := range e.arrivals[0].Blocks() {
			e.recv.Want(0, b, multicast.Held)
			c.forget(e, key{0, b})
		}
	}
}

// hasManifest tells whether generation 0 is not needed any more. The caller holds the lock.
func (c *Client) hasManifest() bool {
	select {
	case <-c.arrived:
		return true
	default:
		return c.cat != nil
	}
}

// rescue asks for symbols over HTTPS as long as there are some to be asked for.
func (c *Client) rescue() {
	trouble := trouble{client: c}
	for c.ctx.Err() == nil {
		c.mu.Lock()
		e := c.episode
		var ask wire.Ask
		ok := false
		if e != nil {
			ask, ok = e.recv.Rescue(c.o.Now())
		}
		c.mu.Unlock()
		if !ok {
			if !c.pause(rescueEvery) {
				return
			}
			continue
		}
		switch err := c.ask(e, ask); {
		case err == nil:
			trouble.over()
		case c.ctx.Err() != nil:
			return
		case forgotten(err) || !transient(err):
			if !c.pause(firstWait) { // control finds out what that means
				return
			}
		case !trouble.bear(err):
			return
		}
	}
}

// ask fetches symbols.
func (c *Client) ask(e *episode, ask wire.Ask) error {
	ctx, cancel := context.WithTimeout(c.ctx, rescueTime)
	defer cancel()
	resp, err := c.send(ctx, http.MethodPost, "symbols", ask)
	if err != nil {
		return err
	}
	defer closeBody(resp.Body)
	buffer := make([]byte, wire.AnswerSize)
	for {
		a, err := wire.ReadAnswer(resp.Body, buffer)
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
		c.rescued(e, a)
	}
}

// send makes a request and returns its answer when that is a success. Bodies are JSON, or bytes as they are.
func (c *Client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var raw []byte
	switch b := body.(type) {
	case nil:
	case []byte:
		raw = b
	default:
		var err error
		if raw, err = json.Marshal(b); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.o.URL+"/"+path, bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	if c.o.Member != "" {
		req.Header.Set(MemberHeader, c.o.Member)
	}
	resp, err := c.o.HTTP.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the session for %s: %w", path, err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer closeBody(resp.Body)
	reason, err := io.ReadAll(io.LimitReader(resp.Body, maxReason))
	if err != nil {
		return nil, fmt.Errorf("asking the session for %s: %w", path, err)
	}
	if resp.StatusCode/100 == 4 && resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusRequestTimeout {
		return nil, &RefusedError{Status: resp.StatusCode, Reason: string(bytes.TrimSpace(reason))}
	}
	return nil, fmt.Errorf("asking the session for %s: %s: %s", path, resp.Status, bytes.TrimSpace(reason))
}

// post sends a message and reads the answer into out, nil where there is none.
func (c *Client) post(ctx context.Context, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	resp, err := c.send(ctx, http.MethodPost, path, in)
	if err != nil {
		return err
	}
	defer closeBody(resp.Body)
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("reading the answer to %s: %w", path, err)
	}
	return nil
}

// closeBody reads what little may be left, so that the connection is used again.
func closeBody(b io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, b, 4096)
	_ = b.Close()
}
