package agentapi

import (
	"cmp"
	"crypto/rand"
	"math/bits"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

const (
	giverSilent = 16 * time.Second // an agent repeats its offer every 5 s
	maxServing  = 4 << 10          // bytes
)

// givers are the computers that give chunks to others. The zero value is ready.
type givers struct {
	mu   sync.Mutex
	each map[string]*giver // by key: a computer has one place, so there are no more than computers
}

// giver is a computer that gives chunks of one manifest.
type giver struct {
	address  netip.AddrPort
	manifest string
	token    string
	seen     time.Time
	told     int // how many were told of it
}

// forget removes who has not repeated its offer. The caller holds the lock.
func (g *givers) forget(now time.Time) {
	for key, x := range g.each {
		if now.Sub(x.seen) > giverSilent {
			delete(g.each, key)
		}
	}
}

// offer keeps an offer and returns its token, the same for as long as it is repeated.
func (g *givers) offer(key string, address netip.AddrPort, manifest string, now time.Time) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forget(now)
	if g.each == nil {
		g.each = map[string]*giver{}
	}
	x := g.each[key]
	if x == nil || x.manifest != manifest || x.address != address {
		x = &giver{address: address, manifest: manifest, token: rand.Text()}
		g.each[key] = x
	}
	x.seen = now
	return x.token
}

// drop removes an offer.
func (g *givers) drop(key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.each, key)
}

// choose returns whom to ask for chunks of a manifest: near ones first, then those that fewest were told of.
func (g *givers) choose(key string, near netip.Addr, manifest string, now time.Time) []job.Peer {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forget(now)
	var keys []string
	for k, x := range g.each {
		if k != key && x.manifest == manifest {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b string) int {
		x, y := g.each[a], g.each[b]
		return cmp.Or(cmp.Compare(distance(near, x.address.Addr()), distance(near, y.address.Addr())), cmp.Compare(x.told, y.told),
			cmp.Compare(a, b))
	})
	out := []job.Peer{}
	for _, k := range keys[:min(len(keys), job.MaxPeers)] {
		x := g.each[k]
		x.told++
		out = append(out, job.Peer{Address: x.address.String(), Key: k, Token: x.token})
	}
	return out
}

// distance tells how far two addresses seem to be from each other: 0 in one network of at most 256 addresses, more where
// less of them is equal, most where they are of different kinds.
func distance(a, b netip.Addr) int {
	if a.BitLen() != b.BitLen() {
		return 128
	}
	return max(a.BitLen()-SharedBits(a, b)-8, 0)
}

// SharedBits is how many leading bits two addresses share; 0 where they are of different kinds. Zones do not count.
func SharedBits(a, b netip.Addr) int {
	if a.BitLen() != b.BitLen() {
		return 0
	}
	x, y := a.AsSlice(), b.AsSlice()
	for i := range x {
		if d := x[i] ^ y[i]; d != 0 {
			return 8*i + bits.LeadingZeros8(d)
		}
	}
	return a.BitLen()
}

// serving takes the offer of a computer whose disk was just proven, and tells it whether anybody needs it.
func (s *Server) serving(w http.ResponseWriter, r *http.Request, c caller) error {
	var o job.Serving
	if err := s.read(w, r, maxServing, &o); err != nil {
		return err
	}
	manifest, wanted, err := s.Fleet.Giving(c.key, o.Task)
	if err != nil {
		s.givers.drop(c.key)
		return err
	}
	address, err := netip.ParseAddr(c.address)
	if err != nil || o.Port < 1 || o.Port > 65535 || o.Manifest != manifest {
		s.givers.drop(c.key)
		return refused(http.StatusBadRequest, "bad-request", "the offer is not what the contract says")
	}
	if o.Leaving || !wanted {
		s.givers.drop(c.key)
		return respond(w, http.StatusOK, job.ServingReply{Stop: true})
	}
	token := s.givers.offer(c.key, netip.AddrPortFrom(address.Unmap(), uint16(o.Port)), manifest, s.now())
	return respond(w, http.StatusOK, job.ServingReply{Token: token})
}

// peers names the computers that give chunks of the caller's running deployment.
func (s *Server) peers(w http.ResponseWriter, _ *http.Request, c caller) error {
	j, _, err := s.Fleet.Running(c.key)
	if err != nil {
		return err
	}
	if !fleet.Destroys(j.Kind) {
		return refused(http.StatusForbidden, "not-yours", "the running task names no manifest")
	}
	near, err := netip.ParseAddr(c.address)
	if err != nil {
		return refused(http.StatusBadRequest, "bad-request", "the address that the request comes from cannot be read")
	}
	return respond(w, http.StatusOK, s.givers.choose(c.key, near.Unmap(), j.Manifest, s.now()))
}
