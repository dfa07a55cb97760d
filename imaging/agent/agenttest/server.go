package agenttest

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"log"
	"math/big"
	"mime/multipart"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// Server answers one agent. Set its fields before Start; the maps may be read once the agent has ended.
type Server struct {
	Authority   *Authority         // whose fingerprint the agent is given
	Leaf        tls.Certificate    // default: made by Authority
	Signer      ed25519.PrivateKey // of manifests and tasks
	StageTwo    []byte             // what is sent
	Trust       *job.Trust         // what is said; default: the truth
	Welcomes    []job.Welcome      // answers to Hello, the last one for ever; default: enrolled
	Tasks       chan job.Envelope
	Each        func(key string) (job.Task, bool)                            // what the computer with this key is ordered next; nil: Tasks, whoever asks
	Session     func(w http.ResponseWriter, r *http.Request, key, id string) // below PathSession and the id; nil: there is none
	Cancel      atomic.Bool                                                  // answered to reports
	CancelMarks atomic.Bool                                                  // answered to reports with a mark: the task ended while the server was out of reach
	Serving     func(key, address string, o job.Serving) job.ServingReply    // answered to offers; nil: peers are not known
	Peers       func(key string) []job.Peer                                  // answered to who asks for peers
	Wish        func(key, wish string) (job.Task, error)                     // answered to wishes: the task that follows; an error is 409; nil: 404
	Local       func(key string) job.LocalBoot                               // what belongs on the disk; nil: 404
	LocalFiles  map[string][]byte                                            // by name: boot files
	Script      []byte                                                       // answered to who asks for the text of its script; nil: 404
	Down        atomic.Bool                                                  // every request is cut off
	CutFrames   atomic.Int64                                                 // so many answers of /chunks are cut off after one frame

	mu        sync.Mutex
	Manifests map[string][]byte
	Bad       map[string]manifest.Signature // sent instead of the right signature
	Chunks    map[chunk.ID]chunk.Frame
	Hellos    []job.Hello
	Keys      []string // client keys of the hellos
	Reports   []job.Report
	Requests  map[string]int // by path
	Put       map[chunk.ID]chunk.Frame
	Lost      []byte // answered to what is asked of PathHeal: ids, end to end
	Healed    []chunk.Frame
	Publishes []Description
	Wishes    []string
	Locals    []job.LocalState

	http     *http.Server
	listener net.Listener
}

// Description is what a capture ended with.
type Description struct{ Manifest, Names []byte }

// parts returns the parts of the body, in their order.
func (d *Description) parts() iter.Seq2[string, *[]byte] {
	return func(yield func(string, *[]byte) bool) {
		_ = yield(job.PartManifest, &d.Manifest) && yield(job.PartNames, &d.Names)
	}
}

// Authority is a certificate authority.
type Authority struct {
	Key         *ecdsa.PrivateKey
	Certificate *x509.Certificate
}

// NewAuthority makes an authority.
func NewAuthority() *Authority {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	t := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1, 0), // long over: dates do not count
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der := must(x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key))
	return &Authority{key, must(x509.ParseCertificate(der))}
}

// Fingerprint is the SHA-256 of the authority's certificate.
func (a *Authority) Fingerprint() [32]byte { return sha256.Sum256(a.Certificate.Raw) }

// Leaf makes a server certificate, changed as wanted before it is signed. Its chain holds the authority.
func (a *Authority) Leaf(change func(*x509.Certificate)) tls.Certificate {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	t := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "test server"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1, 0), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if change != nil {
		change(t)
	}
	der := must(x509.CreateCertificate(rand.Reader, t, a.Certificate, &key.PublicKey, a.Key))
	return tls.Certificate{Certificate: [][]byte{der, a.Certificate.Raw}, PrivateKey: key}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// New returns a server with an authority and a signing key.
func New() *Server {
	_, private := must2(ed25519.GenerateKey(rand.Reader))
	return &Server{Authority: NewAuthority(), Signer: private, Tasks: make(chan job.Envelope, 8),
		Manifests: map[string][]byte{}, Bad: map[string]manifest.Signature{}, Chunks: map[chunk.ID]chunk.Frame{},
		Requests: map[string]int{}, Put: map[chunk.ID]chunk.Frame{}}
}

func must2[A, B any](a A, b B, err error) (A, B) {
	if err != nil {
		panic(err)
	}
	return a, b
}

// Start listens on addr ("127.0.0.1:0" for a free port) and returns the address.
func (s *Server) Start(addr string) string {
	if s.Leaf.Certificate == nil {
		s.Leaf = s.Authority.Leaf(nil)
	}
	s.listener = must(net.Listen("tcp", addr))
	s.http = &http.Server{Handler: s.handler(), ErrorLog: log.New(io.Discard, "", 0), TLSConfig: &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{s.Leaf}, ClientAuth: tls.RequestClientCert}}
	go func() { _ = s.http.ServeTLS(s.listener, "", "") }()
	return s.listener.Addr().String()
}

// Close ends the server at once.
func (s *Server) Close() { _ = s.http.Close() }

// PublicKey is what the agent is told to trust.
func (s *Server) PublicKey() string {
	return base64.StdEncoding.EncodeToString(s.Signer.Public().(ed25519.PublicKey))
}

// Sign signs a payload in a context.
func (s *Server) Sign(context string, payload []byte) []byte {
	return ed25519.Sign(s.Signer, append(append([]byte(context), 0), payload...))
}

// Order hands a task to the agent.
func (s *Server) Order(t job.Task) { s.Tasks <- s.Seal(t) }

// Seal signs a task.
func (s *Server) Seal(t job.Task) job.Envelope {
	payload := must(json.Marshal(t))
	return job.Envelope{Payload: payload, Key: s.PublicKey(), Signature: s.Sign(job.ContextTask, payload)}
}

// AddManifest keeps an encoded manifest and returns its hash.
func (s *Server) AddManifest(encoded []byte) string {
	sum := blake3.Sum256(encoded)
	h := hex.EncodeToString(sum[:])
	s.Manifests[h] = encoded
	return h
}

// Look runs f while the server's records do not change.
func (s *Server) Look(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *Server) handler() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET "+job.PathTrust, s.trust)
	m.HandleFunc("GET "+job.PathStageTwo, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(s.StageTwo) })
	m.HandleFunc("POST "+job.PathHello, s.hello)
	m.HandleFunc("GET "+job.PathTask, s.task)
	m.HandleFunc("POST "+job.PathReport, s.report)
	m.HandleFunc("POST "+job.PathWish, s.wish)
	m.HandleFunc("GET "+job.PathScript, func(w http.ResponseWriter, _ *http.Request) {
		if s.Script == nil {
			refuse(w, http.StatusNotFound, "not-found")
			return
		}
		_, _ = w.Write(s.Script)
	})
	m.HandleFunc("GET "+job.PathLocal, s.local)
	m.HandleFunc("GET "+job.PathLocal+"/{name}", s.localFile)
	m.HandleFunc("POST "+job.PathLocal, s.told)
	m.HandleFunc("GET "+job.PathManifest+"{hash}", s.manifest)
	m.HandleFunc("GET "+job.PathNames+"{hash}", s.names)
	m.HandleFunc("POST "+job.PathChunks, s.chunks)
	m.HandleFunc("GET "+job.PathHeal, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(s.Lost) })
	m.HandleFunc("POST "+job.PathHeal, s.heal)
	m.HandleFunc("POST "+job.PathCapture+"{task}/missing", s.missing)
	m.HandleFunc("POST "+job.PathCapture+"{task}/frames", s.frames)
	m.HandleFunc("POST "+job.PathCapture+"{task}/publish", s.publish)
	m.HandleFunc(job.PathSession+"{id}/{route...}", s.session)
	m.HandleFunc("POST "+job.PathServe, s.serving)
	m.HandleFunc("GET "+job.PathPeers, s.peers)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.Requests[r.URL.Path]++
		s.mu.Unlock()
		if s.Down.Load() {
			panic(http.ErrAbortHandler)
		}
		m.ServeHTTP(w, r)
	})
}

func answer(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }

func refuse(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	answer(w, job.Problem{Code: code, Detail: "the test server says " + code})
}

func (s *Server) trust(w http.ResponseWriter, _ *http.Request) {
	if s.Trust != nil {
		answer(w, s.Trust)
		return
	}
	t := job.Trust{SigningKeys: []string{s.PublicKey()}, Time: time.Now()}
	if s.StageTwo != nil {
		sum := blake3.Sum256(s.StageTwo)
		t.StageTwo = job.StageTwo{Hash: hex.EncodeToString(sum[:]), Size: int64(len(s.StageTwo))}
	}
	answer(w, t)
}

func (s *Server) hello(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var h job.Hello
	if err := json.NewDecoder(r.Body).Decode(&h); err != nil || len(r.TLS.PeerCertificates) == 0 {
		refuse(w, http.StatusForbidden, "unknown-computer")
		return
	}
	s.Hellos, s.Keys = append(s.Hellos, h), append(s.Keys, Key(r))
	if len(s.Welcomes) == 0 {
		answer(w, job.Welcome{State: job.StateEnrolled, Computer: "S104-07", ID: "c1"})
		return
	}
	answer(w, s.Welcomes[0])
	if len(s.Welcomes) > 1 {
		s.Welcomes = s.Welcomes[1:]
	}
}

// Key names the computer that asks: the SHA-256 of its public key.
func Key(r *http.Request) string {
	if len(r.TLS.PeerCertificates) == 0 {
		return ""
	}
	sum := sha256.Sum256(r.TLS.PeerCertificates[0].RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// session passes on what is asked of a session, the prefix taken off.
func (s *Server) session(w http.ResponseWriter, r *http.Request) {
	key, id := Key(r), r.PathValue("id")
	if s.Session == nil || key == "" {
		refuse(w, http.StatusNotFound, "not-found")
		return
	}
	http.StripPrefix(job.PathSession+id, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Session(w, r, key, id)
	})).ServeHTTP(w, r)
}

func (s *Server) serving(w http.ResponseWriter, r *http.Request) {
	var o job.Serving
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil || s.Serving == nil {
		refuse(w, http.StatusNotFound, "not-found")
		return
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	answer(w, s.Serving(Key(r), net.JoinHostPort(host, strconv.Itoa(o.Port)), o))
}

func (s *Server) peers(w http.ResponseWriter, r *http.Request) {
	if s.Peers == nil {
		refuse(w, http.StatusNotFound, "not-found")
		return
	}
	answer(w, s.Peers(Key(r)))
}

func (s *Server) task(w http.ResponseWriter, r *http.Request) {
	if s.Each != nil {
		if t, ok := s.Each(Key(r)); ok {
			answer(w, s.Seal(t))
			return
		}
	}
	select {
	case e := <-s.Tasks:
		answer(w, e)
	case <-time.After(300 * time.Millisecond):
		w.WriteHeader(http.StatusNoContent)
	case <-r.Context().Done():
	}
}

func (s *Server) report(w http.ResponseWriter, r *http.Request) {
	var p job.Report
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
		refuse(w, http.StatusBadRequest, "bad-request")
		return
	}
	s.mu.Lock()
	s.Reports = append(s.Reports, p)
	s.mu.Unlock()
	answer(w, job.ReportReply{Cancel: s.Cancel.Load() || s.CancelMarks.Load() && p.Mark != nil})
}

func (s *Server) manifest(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := r.PathValue("hash")
	b, ok := s.Manifests[h]
	if !ok {
		refuse(w, http.StatusNotFound, "not-found")
		return
	}
	raw, _ := hex.DecodeString(h)
	sig, bad := s.Bad[h]
	if !bad {
		sig = manifest.Signature{Key: s.PublicKey(), Signature: s.Sign(manifest.SignatureContext, raw)}
	}
	w.Header().Set(job.SignatureHeader, string(must(json.Marshal(sig))))
	_, _ = w.Write(b)
}

// names gives the names table of a manifest that was published here.
func (s *Server) names(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.Publishes {
		if sum := blake3.Sum256(d.Manifest); hex.EncodeToString(sum[:]) == r.PathValue("hash") {
			_, _ = w.Write(d.Names)
			return
		}
	}
	refuse(w, http.StatusNotFound, "not-found")
}

func ids(r *http.Request) ([]chunk.ID, error) {
	b, err := io.ReadAll(r.Body)
	if err != nil || len(b)%32 != 0 || len(b) > 32*job.MaxIDs {
		return nil, fmt.Errorf("%d bytes of ids: %v", len(b), err)
	}
	list := make([]chunk.ID, len(b)/32)
	for i := range list {
		copy(list[i][:], b[32*i:])
	}
	return list, nil
}

func (s *Server) chunks(w http.ResponseWriter, r *http.Request) {
	list, err := ids(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, "bad-request")
		return
	}
	for i, id := range list {
		s.mu.Lock()
		f, ok := s.Chunks[id]
		s.mu.Unlock()
		if !ok && i == 0 {
			refuse(w, http.StatusNotFound, "damaged")
			return
		}
		if !ok || i == 1 && s.CutFrames.Add(-1) >= 0 {
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write(f.AppendTo(nil))
	}
}

func (s *Server) missing(w http.ResponseWriter, r *http.Request) {
	list, err := ids(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, "bad-request")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := make([]byte, len(list))
	for i, id := range list {
		if _, ok := s.Put[id]; !ok {
			b[i] = 1
		}
	}
	_, _ = w.Write(b)
}

func (s *Server) heal(w http.ResponseWriter, r *http.Request) {
	for {
		f, err := chunk.Read(r.Body)
		if err == io.EOF {
			break
		}
		if err != nil {
			refuse(w, http.StatusBadRequest, "bad-request")
			return
		}
		s.mu.Lock()
		s.Healed = append(s.Healed, f)
		s.mu.Unlock()
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) frames(w http.ResponseWriter, r *http.Request) {
	for {
		f, err := chunk.Read(r.Body)
		if err == io.EOF {
			break
		}
		if err != nil {
			refuse(w, http.StatusBadRequest, "bad-request")
			return
		}
		s.mu.Lock()
		s.Put[f.ID] = f
		s.mu.Unlock()
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) publish(w http.ResponseWriter, r *http.Request) {
	var d Description
	parts, err := r.MultipartReader()
	for name, to := range d.parts() {
		var p *multipart.Part
		if err == nil {
			p, err = parts.NextPart()
		}
		if err == nil && p.FormName() != name {
			err = fmt.Errorf("part %q in the place of %q", p.FormName(), name)
		}
		if err == nil {
			*to, err = io.ReadAll(p)
		}
	}
	if err == nil {
		if _, err = parts.NextPart(); err == io.EOF {
			err = nil
		}
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "bad-request")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Publishes = append(s.Publishes, d)
	answer(w, job.Published{Master: "m", Version: 1, Hash: "00", StoredBytes: 10, NewBytes: 5})
}
