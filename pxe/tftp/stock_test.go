package tftp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/ardoise/ardoise/pxe/tftp"
)

// table is a Source in memory.
type table map[string][]byte

// File implements tftp.Source.
func (s table) File(_ context.Context, name string, _ tftp.Peer) ([]byte, error) {
	if name == "panics" {
		panic("a fault of ours")
	}
	if name == "broken" {
		return nil, errors.New("open /srv/secret/broken: input/output error")
	}
	b, ok := s[name]
	if !ok {
		return nil, tftp.ErrNotFound
	}
	return b, nil
}

// start runs a server on the loopback and returns its port.
func start(t testing.TB, s *tftp.Server) int {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, conn) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return conn.LocalAddr().(*net.UDPAddr).Port
}

// noise is content that no two blocks of share.
func noise(size int) []byte {
	r := rand.NewChaCha8([32]byte{byte(size), byte(size >> 8)})
	b := make([]byte, size)
	r.Read(b) // never fails
	return b
}

// curl fetches with libcurl's client, which negotiates blksize and tsize.
func curl(t testing.TB, port, block int, name string) ([]byte, error) {
	out := filepath.Join(t.TempDir(), "out")
	b, err := exec.Command("curl", "-sS", "--max-time", "60", "--tftp-blksize", strconv.Itoa(block), "-o", out,
		fmt.Sprintf("tftp://127.0.0.1:%d/%s", port, name)).CombinedOutput()
	if err != nil {
		return b, err
	}
	got, err := os.ReadFile(out)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // curl makes no file for no bytes
	}
	return got, err
}

// hpa fetches with tftp-hpa's client, which sends no options: blocks of 512.
func hpa(t testing.TB, port int, name string) ([]byte, error) {
	out := filepath.Join(t.TempDir(), "out")
	b, err := exec.Command("tftp", "-m", "binary", "127.0.0.1", strconv.Itoa(port), "-c", "get", name, out).CombinedOutput()
	if err != nil || bytes.Contains(b, []byte("Error")) {
		return b, fmt.Errorf("tftp: %v: %s", err, b)
	}
	return os.ReadFile(out)
}

func TestStockClientsGetEverySize(t *testing.T) {
	files := table{}
	var mu sync.Mutex
	done := map[string]int64{}
	sizes := []int{0, 1, 511, 512, 513, 1024, 1468, 16 << 20, 33 << 20} // 33 MiB: the counter of 512-byte blocks rolls over
	for _, n := range sizes {
		files["f"+strconv.Itoa(n)] = noise(n)
	}
	port := start(t, &tftp.Server{Source: files, Done: func(d tftp.Transfer) {
		mu.Lock()
		defer mu.Unlock()
		done[d.Name] += d.Size
	}})
	for _, n := range sizes {
		name := "f" + strconv.Itoa(n)
		for client, get := range map[string]func() ([]byte, error){
			"curl with blksize 512":  func() ([]byte, error) { return curl(t, port, 512, name) },
			"curl with blksize 1468": func() ([]byte, error) { return curl(t, port, 1468, name) },
			"tftp-hpa":               func() ([]byte, error) { return hpa(t, port, name) },
		} {
			if client == "curl with blksize 512" && n == 33<<20 {
				continue // curl 7.88 stops at the rollover; tftp-hpa stands for 512 there
			}
			got, err := get()
			if err != nil || !bytes.Equal(got, files[name]) {
				t.Errorf("%s, %d bytes: got %d bytes, %v", client, n, len(got), err)
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if done["f16777216"] != 3*16<<20 {
		t.Errorf("whole transfers reported: %v", done)
	}
}

func TestStockClientsAreToldNotFound(t *testing.T) {
	port := start(t, &tftp.Server{Source: table{"there": []byte("x")}})
	for name, file := range map[string]string{
		"a file that is not there":        "start-the-disk",
		"a way out of the folder":         "../../etc/passwd",
		"the same with backslashes":       `..\..\etc\passwd`,
		"an absolute one":                 "//etc/passwd",
		"a source that fails":             "broken",
		"a source that panics":            "panics",
		"a name of 200 bytes":             strings.Repeat("n", 200),
		"a folder":                        "there/",
		"a file below a file":             "there/x",
		"a device":                        "/dev/zero",
		"a name with an escape character": "there\x1b[2J",
	} {
		t.Run(name, func(t *testing.T) {
			out, err := hpa(t, port, file)
			if file == "there/" {
				return // cleaned to the file itself, as firmware wants
			}
			if err == nil {
				t.Fatalf("got %q", out)
			}
			for _, leak := range []string{"srv", "input/output", "panic", "no such", "permission"} {
				if strings.Contains(err.Error(), leak) {
					t.Errorf("the answer says %q: %v", leak, err)
				}
			}
		})
	}
}

func TestWritingIsRefused(t *testing.T) {
	files := table{"f": []byte("as it was")}
	port := start(t, &tftp.Server{Source: files})
	in := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(in, []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ := exec.Command("tftp", "-m", "binary", "127.0.0.1", strconv.Itoa(port), "-c", "put", in, "f").CombinedOutput()
	if !bytes.Contains(out, []byte("Error")) {
		t.Errorf("the client was told %q", out)
	}
	if got, err := curl(t, port, 512, "f"); err != nil || string(got) != "as it was" {
		t.Errorf("the file is %q, %v", got, err)
	}
}

func TestOtherNetworksAreRefused(t *testing.T) {
	port := start(t, &tftp.Server{Source: table{"f": []byte("x")}, Allowed: func(netip.Addr) bool { return false }})
	if got, err := hpa(t, port, "f"); err == nil {
		t.Errorf("got %q", got)
	}
}

func TestPrivate(t *testing.T) {
	for a, want := range map[string]bool{
		"10.9.0.2": true, "192.168.1.7": true, "172.16.0.1": true, "169.254.3.4": true, "127.0.0.1": true,
		"172.32.0.1": false, "8.8.8.8": false, "0.0.0.0": false, "::1": false,
	} {
		if got := tftp.Private(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: %v", a, got)
		}
	}
}
