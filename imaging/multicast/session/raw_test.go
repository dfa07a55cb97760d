package session_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/masters/manifest"
)

// ask makes a request of the control channel by hand.
func ask(t testing.TB, server *running, member, path string, body any) *http.Response {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, server.url+path, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(session.MemberHeader, member)
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode/100 != 2 {
		t.Fatalf("%s: %v, %+v", path, err, resp)
	}
	return resp
}

// joinRaw joins without a client.
func joinRaw(t testing.TB, server *running, member string, hash manifest.Hash) (joined wire.Joined) {
	t.Helper()
	resp := ask(t, server, member, "/join", wire.Join{Manifest: hash})
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(&joined); err != nil {
		t.Fatal(err)
	}
	return joined
}

func leaveRaw(t testing.TB, server *running, member string) {
	t.Helper()
	_ = ask(t, server, member, "/leave", nil).Body.Close()
}

// reseal seals a packet with any sequence, which a Sealer would not do.
func reseal(key wire.Key, p []byte, h wire.Header) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	nonce := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(nil, uint32(h.Stream)), h.Sequence)
	header := h.AppendTo(nil)
	copy(p, header)
	aead.Seal(p[wire.HeaderSize:wire.HeaderSize], nonce, p[wire.HeaderSize:wire.HeaderSize+wire.SymbolSize], header)
}

// relay is an address that stays when the server behind it changes.
type relay struct {
	url    string
	target atomic.Pointer[url.URL]
}

func newRelay(t testing.TB, to string) *relay {
	t.Helper()
	r := &relay{}
	r.to(to)
	proxy := &httputil.ReverseProxy{
		Rewrite:  func(p *httputil.ProxyRequest) { p.SetURL(r.target.Load()) },
		ErrorLog: nil,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	front := httptest.NewServer(proxy)
	t.Cleanup(front.Close)
	r.url = front.URL
	return r
}

func (r *relay) to(target string) {
	u, err := url.Parse(target)
	if err != nil {
		panic(err)
	}
	r.target.Store(u)
}
