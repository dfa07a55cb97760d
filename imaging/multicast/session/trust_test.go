package session_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/multicast/session"
)

// fileKey makes a key and its file.
func fileKey(t testing.TB) (session.FileKey, []byte) {
	t.Helper()
	var raw [32]byte
	if _, err := rand.Read(raw[:]); err != nil {
		t.Fatal(err)
	}
	return raw, []byte(base64.StdEncoding.EncodeToString(raw[:]) + "\n")
}

func TestKeyFiles(t *testing.T) {
	want, content := fileKey(t)
	if got, err := session.ParseFileKey(content); err != nil || got != want {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := session.ParseFileKey(bytes.TrimSpace(content)); err != nil || got != want {
		t.Errorf("without a line's end: %v, %v", got, err)
	}
	for name, content := range map[string]string{
		"empty":     "",
		"text":      "secret\n",
		"short":     base64.StdEncoding.EncodeToString(make([]byte, 31)),
		"two lines": string(content) + string(content),
		"zeros":     base64.StdEncoding.EncodeToString(make([]byte, 32)),
	} {
		var wrong *session.KeyError
		if _, err := session.ParseFileKey([]byte(content)); !errors.As(err, &wrong) {
			t.Errorf("%s: %v, want a KeyError", name, err)
		}
	}
}

func FuzzParseFileKey(f *testing.F) {
	_, content := fileKey(f)
	f.Add(content)
	f.Fuzz(func(t *testing.T, content []byte) {
		key, err := session.ParseFileKey(content)
		if err == nil && !strings.HasPrefix(strings.TrimSpace(string(content)), base64.StdEncoding.EncodeToString(key[:])) {
			t.Fatalf("%q became %x", content, key)
		}
	})
}

func TestSecretsNeverRepeat(t *testing.T) {
	key, _ := fileKey(t)
	a, err := key.Secret(rand.Reader)
	if err != nil || len(a) != 32 {
		t.Fatal(a, err)
	}
	if b, err := key.Secret(rand.Reader); err != nil || bytes.Equal(a, b) {
		t.Errorf("two runs have the secret %x, %v", b, err)
	}
	other, _ := fileKey(t)
	same := bytes.Repeat([]byte{9}, 32)
	c, err1 := key.Secret(bytes.NewReader(same))
	d, err2 := other.Secret(bytes.NewReader(same))
	if err1 != nil || err2 != nil || bytes.Equal(c, d) {
		t.Error("without randomness two keys have the same secret")
	}
	if _, err := key.Secret(bytes.NewReader(nil)); err == nil {
		t.Error("a secret without randomness")
	}
}

func TestOnlyTheSameKeyFileConnects(t *testing.T) {
	key, _ := fileKey(t)
	other, _ := fileKey(t)
	config := func(k session.FileKey) *tls.Config {
		c, err := k.TLS()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "in")
	}))
	server.TLS = config(key)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	get := func(c *tls.Config) error {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: c}}
		resp, err := client.Get(server.URL)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			_ = resp.Body.Close()
		}
		return err
	}
	if err := get(config(key)); err != nil {
		t.Errorf("the same key: %v", err)
	}
	if err := get(config(other)); !errors.Is(err, session.ErrOtherKey) {
		t.Errorf("a server with another key is believed: %v", err)
	}
	trusting := config(other)
	trusting.VerifyConnection = nil
	if err := get(trusting); err == nil {
		t.Error("a client with another key was let in")
	}
	if err := get(&tls.Config{InsecureSkipVerify: true}); err == nil {
		t.Error("a client without a key was let in")
	}
	old := config(key)
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if err := get(old); err == nil {
		t.Error("TLS 1.2 was accepted")
	}
}

// A session that stands alone, over TLS: the same key file gets everything, another one is told at once.
func TestASessionWithAKeyFile(t *testing.T) {
	l, store := newLab(t), newStored()
	m := store.master(t, 30, 40)
	key, _ := fileKey(t)
	other, _ := fileKey(t)
	secret, err := key.Secret(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	server := l.serve(session.ServerOptions{Masters: []session.Master{m.Master}, Frames: store, Expected: 1, Rate: 20e6, Secret: secret})
	front := httptest.NewUnstartedServer(server.Server)
	if front.TLS, err = key.TLS(); err != nil {
		t.Fatal(err)
	}
	front.Config.ErrorLog = log.New(io.Discard, "", 0)
	front.StartTLS()
	t.Cleanup(front.Close)
	with := func(name string, k session.FileKey) *pc {
		config, err := k.TLS()
		if err != nil {
			t.Fatal(err)
		}
		return l.joinVia(name, front.URL, m, newDisk(t, m), session.ClientOptions{Listen: l.listen(nil),
			HTTP: &http.Client{Transport: &http.Transport{TLSClientConfig: config}}})
	}
	wrong := with("wrong", other)
	go wrong.run(context.Background())
	<-wrong.done
	if !errors.Is(wrong.err, session.ErrOtherKey) || wrong.disk.taken > 0 {
		t.Errorf("with another key: %v, %d chunks", wrong.err, wrong.disk.taken)
	}
	right := with("right", key)
	go right.run(context.Background())
	l.finish(right)
	l.ended(server)
}
