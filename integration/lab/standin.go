package lab

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
)

// AgentPort is where the daemon's agent API listens.
const AgentPort = "7443"

// StandIn speaks the agent's side of the API without a PC: an honest agent's in tests that need none of its disks, or
// that of a pupil's laptop.
type StandIn struct {
	Hello job.Hello

	client *http.Client
}

// NewStandIn makes a stand-in with a key of its own that calls the daemon from inside a namespace of the school.
func NewStandIn(namespace string, hello job.Hello) (*StandIn, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "agent"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return &StandIn{Hello: hello, client: agentClient(namespace, certificate)}, nil
}

// Browser makes a caller of the agent API that has no key.
func Browser(namespace string) *StandIn { return &StandIn{client: agentClient(namespace)} }

// agentClient speaks TLS 1.3 from inside a namespace. It has no fingerprint to compare the server with: what it trusts
// is not what its tests are about.
func agentClient(namespace string, certificates ...tls.Certificate) *http.Client {
	config := &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, Certificates: certificates}
	return &http.Client{Transport: TransportIn(namespace, config), Timeout: time.Minute}
}

// TransportIn makes a transport whose connections come from inside a namespace.
func TransportIn(namespace string, config *tls.Config) *http.Transport {
	return &http.Transport{
		TLSClientConfig: config,
		DialContext: func(_ context.Context, network, address string) (net.Conn, error) {
			return DialIn(namespace, network, address)
		},
	}
}

// Call sends one request and returns status and body of the answer.
func (a *StandIn) Call(ctx context.Context, method, path string, body any) (int, []byte, error) {
	var sent io.Reader
	if raw, ok := body.([]byte); ok {
		sent = bytes.NewReader(raw)
	} else if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		sent = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, "https://"+net.JoinHostPort(AddressServer, AgentPort)+path, sent)
	if err != nil {
		return 0, nil, err
	}
	answer, err := a.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(io.LimitReader(answer.Body, 64<<20))
	return answer.StatusCode, content, err
}

// Introduce says hello.
func (a *StandIn) Introduce(ctx context.Context) (job.Welcome, error) {
	var welcome job.Welcome
	status, body, err := a.Call(ctx, http.MethodPost, job.PathHello, a.Hello)
	if err != nil {
		return welcome, err
	}
	if status != http.StatusOK {
		return welcome, fmt.Errorf("hello: status %d: %s", status, body)
	}
	return welcome, json.Unmarshal(body, &welcome)
}
