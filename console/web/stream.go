package web

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"reflect"
	"sync"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet"
)

// fragment is a piece of a page that changes while somebody looks. Its element has the id ID and holds what the template
// makes of Data. Key says whether it changed; nil: Data does. The fragments inside of it are sent with it when it changed,
// alone when only they did.
type fragment struct {
	ID, Template string
	Data, Key    any
	Inside       []fragment
}

// live makes the fragments of a page as they are now.
type live func() ([]fragment, error)

// The pace of a page's stream.
const (
	pause     = 500 * time.Millisecond // between two updates, at least
	longest   = 5 * time.Second        // between a change and the update that shows it, at most
	heartbeat = 15 * time.Second       // of a stream that has nothing to say: proxies and browsers see that it lives
	recheck   = 30 * time.Second       // of the session and of what time alone changes
	writeTime = 10 * time.Second       // a browser that does not read is left
	maxStream = 400                    // streams at once, of all people
	maxOfOne  = 20                     // of them of one person: nobody's open pages keep others from theirs
)

// stream wakes the streams of all pages when something has changed.
type stream struct {
	ctx context.Context
	mu  sync.Mutex
	on  map[chan struct{}]string // id of whose page it is
}

// newStream listens to the fleet until ctx ends.
func newStream(ctx context.Context, c *console) *stream {
	s := &stream{ctx: ctx, on: map[chan struct{}]string{}}
	if c.House.Fleet != nil {
		stop := c.House.Fleet.Listen(func(fleet.Change) { s.wake() })
		context.AfterFunc(ctx, stop)
	}
	return s
}

// wake tells every stream that there may be something new. It never blocks.
func (s *stream) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ch := range s.on {
		select {
		case ch <- struct{}{}:
		default: // it has been told already
		}
	}
}

// join opens a stream of a person; false when there are too many, or he has too many.
func (s *stream) join(person string) (chan struct{}, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := 0
	for _, p := range s.on {
		if p == person {
			own++
		}
	}
	if len(s.on) >= maxStream || own >= maxOfOne {
		return nil, false
	}
	ch := make(chan struct{}, 1)
	s.on[ch] = person
	return ch, true
}

func (s *stream) leave(ch chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.on, ch)
}

// eventsPath is where pages open their streams.
const eventsPath = "/events"

// events is the stream of one open page. It ends with its session, with the daemon, or when nobody reads.
func (c *console) events(v *visit) error {
	page, err := c.liveOf(v)
	if err != nil {
		return err
	}
	changed, ok := c.stream.join(v.Caller.ID)
	if !ok {
		return v.fail(http.StatusServiceUnavailable, nil)
	}
	defer c.stream.leave(changed)
	h := v.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	out := &sender{v: v, control: http.NewResponseController(v.w), seen: map[string]any{}}
	_ = out.control.SetReadDeadline(time.Time{}) // a server's is for requests; HTTP/2 has none here
	if !out.write("retry: 2000\n\n") {
		return nil
	}
	beat, check := time.NewTicker(heartbeat), time.NewTicker(recheck)
	defer beat.Stop()
	defer check.Stop()
	for {
		begun := time.Now()
		if !out.update(page) {
			return nil
		}
		select { // at most two updates a second, however many changes there are, and fewer where one is much work
		case <-v.r.Context().Done():
			return nil
		case <-c.stream.ctx.Done():
			return nil
		case <-time.After(rest(time.Since(begun))):
		}
	quiet:
		for {
			select {
			case <-v.r.Context().Done():
				return nil
			case <-c.stream.ctx.Done():
				return nil
			case <-changed:
				break quiet
			case <-check.C:
				if !c.stillIn(v) {
					out.write("event: ended\ndata: 1\n\n")
					return nil
				}
				break quiet
			case <-beat.C:
				if !out.write(": beat\n\n") {
					return nil
				}
			}
		}
	}
}

// rest is how long a stream pauses after an update that took so long: no more than a twentieth of a processor is spent on
// one page, however many computers it shows.
func rest(took time.Duration) time.Duration { return min(max(pause, 20*took), longest) }

// stillIn tells whether the session of a visit goes on, with the same rights as when it began. An open page is no use of it.
func (c *console) stillIn(v *visit) bool {
	caller, err := c.People.StillIn(v.cookie(cookieSession), addressOf(v.r))
	return err == nil && reflect.DeepEqual(caller, v.Caller)
}

// sender writes to one stream what its page does not show yet.
type sender struct {
	v       *visit
	control *http.ResponseController
	seen    map[string]any // key of what was sent, by id
}

// update sends the fragments that changed; false when nobody reads any more.
func (o *sender) update(page live) bool {
	all, err := page()
	if err != nil {
		if e := access.ErrorOf(err); e.Status >= 500 {
			o.v.c.Log.Error("a page's stream went wrong", "path", o.v.r.URL.RequestURI(), "error", err)
		}
		o.write("event: ended\ndata: 1\n\n") // the page is loaded again and says what is the matter
		return false
	}
	var b bytes.Buffer
	for _, f := range all {
		if err := o.add(&b, f); err != nil {
			o.v.c.Log.Error("a page's stream went wrong", "path", o.v.r.URL.RequestURI(), "error", err)
			return false
		}
	}
	if b.Len() == 0 {
		return true
	}
	var message bytes.Buffer
	message.WriteString("event: swap\n")
	for line := range bytes.Lines(b.Bytes()) {
		message.WriteString("data: ")
		message.Write(bytes.TrimRight(line, "\r\n"))
		message.WriteByte('\n')
	}
	message.WriteByte('\n')
	return o.write(message.String())
}

// add appends what changed of a fragment.
func (o *sender) add(b *bytes.Buffer, f fragment) error {
	key := f.Key
	if key == nil {
		key = f.Data
	}
	if last, known := o.seen[f.ID]; !known || !reflect.DeepEqual(last, key) {
		o.remember(f)
		fmt.Fprintf(b, `<div hx-swap-oob="innerHTML:#%s">`, f.ID)
		if err := o.v.c.templates[o.v.lang].parts.ExecuteTemplate(b, f.Template, f.Data); err != nil {
			return fmt.Errorf("rendering %s: %w", f.Template, err)
		}
		b.WriteString("</div>\n")
		return nil
	}
	for _, in := range f.Inside {
		if err := o.add(b, in); err != nil {
			return err
		}
	}
	return nil
}

// remember notes that a fragment is shown, with all inside of it.
func (o *sender) remember(f fragment) {
	key := f.Key
	if key == nil {
		key = f.Data
	}
	o.seen[f.ID] = key
	for _, in := range f.Inside {
		o.remember(in)
	}
}

func (o *sender) write(s string) bool {
	if err := o.control.SetWriteDeadline(o.v.c.deadline()); err != nil {
		return false
	}
	if _, err := o.v.w.Write([]byte(s)); err != nil {
		return false
	}
	if o.control.Flush() != nil {
		return false
	}
	return o.control.SetWriteDeadline(time.Time{}) == nil // HTTP/2 resets a stream whose deadline passes, written to or not
}

// deadline is by the clock of the machine, whatever Now says: the network knows no other.
func (c *console) deadline() time.Time { return time.Now().Add(writeTime) }
