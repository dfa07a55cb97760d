package httpboot_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/ardoise/ardoise/pxe/httpboot"
)

// table is a Source in memory.
type table map[string][]byte

// File implements httpboot.Source.
func (s table) File(_ context.Context, name string, _ httpboot.Peer) ([]byte, error) {
	if b, ok := s[name]; ok {
		return b, nil
	}
	return nil, httpboot.ErrNotFound
}

// start runs a server on the loopback and returns its address.
func start(t testing.TB, s *httpboot.Server) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// ask sends one request as it is written, past everything that Go's client would tidy up.
func ask(t testing.TB, addr, method, target string) (*http.Response, []byte) {
	t.Helper()
	c, err := net.Dial("tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: UefiHttpBoot/1.0\r\nConnection: close\r\n\r\n", method, target, addr)
	r, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, b
}

func files() table {
	return table{"shimx64.efi": bytes.Repeat([]byte("shim"), 100_000), "grubx64.efi": []byte("grub"), "grub/grub.cfg": []byte("set"), "empty": {}}
}

func TestFirmwareGetsItsFiles(t *testing.T) {
	done := make(chan httpboot.Transfer, 10)
	addr := start(t, &httpboot.Server{Source: files(), Done: func(d httpboot.Transfer) { done <- d }})
	for name, c := range map[string]struct {
		method, target string
		file           string
	}{
		"firmware asks for the size":        {"HEAD", "/shimx64.efi", "shimx64.efi"},
		"then for the file":                 {"GET", "/shimx64.efi", "shimx64.efi"},
		"shim writes two slashes":           {"GET", "//grubx64.efi", "grubx64.efi"},
		"GRUB asks below its prefix":        {"GET", "/grub/grub.cfg", "grub/grub.cfg"},
		"a proxy's absolute form":           {"GET", "http://10.9.0.2/grub//grub.cfg", "grub/grub.cfg"},
		"an escaped name":                   {"GET", "/grub%2fgrub.cfg", "grub/grub.cfg"},
		"a file without a byte is a file":   {"GET", "/empty", "empty"},
		"a question mark changes nothing":   {"GET", "/shimx64.efi?x=1", "shimx64.efi"},
		"a dot in the path changes nothing": {"GET", "/./shimx64.efi", "shimx64.efi"},
	} {
		t.Run(name, func(t *testing.T) {
			r, b := ask(t, addr, c.method, c.target)
			want := files()[c.file]
			if r.StatusCode != 200 || r.ContentLength != int64(len(want)) {
				t.Fatalf("status %d, length %d", r.StatusCode, r.ContentLength)
			}
			if c.method == "HEAD" {
				return
			}
			if !bytes.Equal(b, want) {
				t.Fatalf("%d bytes", len(b))
			}
			if d := <-done; d.Name != c.file || d.Size != int64(len(want)) || d.Remote != netip.MustParseAddr("127.0.0.1") {
				t.Errorf("reported %+v", d)
			}
		})
	}
	if r, _ := ask(t, addr, "HEAD", "/shimx64.efi"); r.Header.Get("Content-Type") != "application/efi" {
		t.Errorf("firmware starts only application/efi, this is %s", r.Header.Get("Content-Type"))
	}
}

func TestOddRequestsAreRefused(t *testing.T) {
	addr := start(t, &httpboot.Server{Source: files()})
	for name, c := range map[string]struct {
		method, target string
		status         int
	}{
		"a file that is not there":     {"GET", "/start-the-disk", 404},
		"the folder":                   {"GET", "/", 404},
		"a folder":                     {"GET", "/grub", 404},
		"a way out":                    {"GET", "/../../etc/passwd", 404},
		"an escaped way out":           {"GET", "/%2e%2e/%2e%2e/etc/passwd", 404},
		"a way out that would be back": {"GET", "/grub/../shimx64.efi", 404},
		"backslashes":                  {"GET", `/..%5c..%5cetc%5cpasswd`, 404},
		"a zero byte":                  {"GET", "/shimx64.efi%00.txt", 404},
		"a long name":                  {"GET", "/" + strings.Repeat("a", 300), 404},
		"writing":                      {"PUT", "/shimx64.efi", 405},
		"deleting":                     {"DELETE", "/shimx64.efi", 405},
		"posting":                      {"POST", "/shimx64.efi", 405},
		"a broken escape":              {"GET", "/%zz", 400},
	} {
		t.Run(name, func(t *testing.T) {
			if r, b := ask(t, addr, c.method, c.target); r.StatusCode != c.status {
				t.Errorf("status %d: %q", r.StatusCode, b)
			}
		})
	}
}

func TestOtherNetworksAreRefused(t *testing.T) {
	addr := start(t, &httpboot.Server{Source: files(), Allowed: func(netip.Addr) bool { return false }})
	if r, _ := ask(t, addr, "GET", "/shimx64.efi"); r.StatusCode != 403 {
		t.Errorf("status %d", r.StatusCode)
	}
}

// TestOneSourceCannotTakeEveryConnection: idle connections of one address beyond its share are closed, others served.
func TestOneSourceCannotTakeEveryConnection(t *testing.T) {
	addr := start(t, &httpboot.Server{Source: files(), PerSource: 4})
	var held []net.Conn
	for range 50 {
		c, err := net.Dial("tcp4", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		held = append(held, c)
	}
	open := 0
	for _, c := range held[4:] {
		if _, err := c.Read(make([]byte, 1)); err == nil {
			open++
		}
	}
	if open != 0 {
		t.Errorf("%d connections too many were kept", open)
	}
	other := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	client := &http.Client{Transport: &http.Transport{DialContext: other.DialContext, DisableKeepAlives: true}}
	r, err := client.Get("http://" + addr + "/grubx64.efi")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != 200 {
		t.Errorf("another PC got status %d", r.StatusCode)
	}
}

func TestTenThousandRequestsAtOnceDoNotHurt(t *testing.T) {
	addr := start(t, &httpboot.Server{Source: files()})
	targets := []string{"/grubx64.efi", "/../x", "//", "/%00", "/" + strings.Repeat("x", 200), "/nothing"}
	var wait sync.WaitGroup
	for worker := range 100 {
		wait.Go(func() {
			for i := range 100 {
				c, err := net.Dial("tcp4", addr)
				if err != nil {
					continue // refused by the system: the flood is its own victim
				}
				fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", targets[(worker+i)%len(targets)])
				io.Copy(io.Discard, c) // reset or answered, both are fine
				c.Close()
			}
		})
	}
	wait.Wait()
	if r, b := ask(t, addr, "GET", "/grubx64.efi"); r.StatusCode != 200 || string(b) != "grub" {
		t.Errorf("afterwards: status %d, %q", r.StatusCode, b)
	}
}

// FuzzClean: a clean name is stable, relative, and leads nowhere else.
func FuzzClean(f *testing.F) {
	for _, s := range []string{"/shimx64.efi", "//grubx64.efi", "/grub/mac-52:54:00:12:34:56.cfg", "/a/../b", "/..", `/a\b`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		name, ok := httpboot.Clean(in)
		if !ok {
			return
		}
		if again, ok := httpboot.Clean("/" + name); !ok || again != name {
			t.Fatalf("%q cleans to %q, then to %q", in, name, again)
		}
		for _, part := range strings.Split(name, "/") {
			if part == "" || part == "." || part == ".." {
				t.Fatalf("%q has the part %q", name, part)
			}
		}
	})
}
