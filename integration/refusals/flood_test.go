package refusals_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/integration/lab"
	"github.com/ardoise/ardoise/integration/lab/rig"
)

// floods is how many requests of each kind are sent.
const floods = 10_000

// The daemon must live through garbage, and a PC that asks properly meanwhile and afterwards must be served.
func TestDaemonLivesThroughFloodsOfGarbage(t *testing.T) {
	school := rig.Golden(t, "floods")
	attacker := plug(t, school, "attacker", "10.77.0.66")
	pc := plug(t, school, "pc", "10.77.0.42")
	wantService(t, school, pc)
	// Each flood returns how many of its requests reached the daemon.
	tests := map[string]func(t *testing.T, space string) int64{
		"HTTP requests for what is not there and for what is outside": floodHTTP,
		"bytes on the HTTP port that are no HTTP":                     floodBytes,
		"TFTP requests, half of them broken, from many ports":         floodTFTP,
		"DHCP packets with broken options":                            floodDHCP,
		"connections to the agent port that never speak":              floodIdle,
	}
	for name, flood := range tests {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			arrived := flood(t, attacker)
			t.Logf("%d of %d arrived in %.1f s", arrived, floods, time.Since(began).Seconds())
			if arrived < floods/20 {
				t.Errorf("only %d of %d requests arrived: this was no flood", arrived, floods)
			}
			wantService(t, school, pc)
		})
	}
	if !school.Daemon().Running() {
		t.Fatalf("the daemon is gone: %v", school.Daemon().Err())
	}
	if rss := residentMiB(t, school.Daemon().PID()); rss > 400 {
		t.Errorf("the daemon holds %d MiB after the floods", rss)
	}
}

// wantService checks that a PC and a technician are served.
func wantService(t *testing.T, school *lab.School, space string) {
	t.Helper()
	out, err := run(t, space, "busybox", "tftp", "-g", "-b", "1468", "-r", "shimx64.efi", "-l",
		filepath.Join(t.TempDir(), "shim"), lab.AddressServer)
	if err != nil {
		t.Errorf("TFTP no longer serves a PC: %v %s", err, out)
	}
	status, _, err := lab.Browser(space).Call(t.Context(), http.MethodGet, job.PathTrust, nil)
	if err != nil || status != http.StatusOK {
		t.Errorf("the agent API no longer serves a PC: %d, %v", status, err)
	}
	if _, err := school.Order(t.Context(), "computer", "list"); err != nil {
		t.Errorf("the daemon no longer takes orders: %v", err)
	}
}

// residentMiB reads how much memory a process holds.
func residentMiB(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib / 1024
}

// workers runs f floods times, sixteen at once, and counts how often it says true.
func workers(f func(i int) bool) int64 {
	var wg sync.WaitGroup
	var arrived atomic.Int64
	for w := range 16 {
		wg.Go(func() {
			for i := w; i < floods; i += 16 {
				if f(i) {
					arrived.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return arrived.Load()
}

func floodHTTP(t *testing.T, space string) int64 {
	client := http.Client{Transport: lab.TransportIn(space, nil), Timeout: 30 * time.Second}
	paths := []string{"/../../etc/shadow", "/%2e%2e/%2e%2e/etc/shadow", "//////", "/grub/" + strings.Repeat("a/", 2000),
		"/boot.json/../../ca/ca.pem", "/vmlinuz%00.efi", "/" + strings.Repeat("%ff", 900)}
	return workers(func(i int) bool {
		request, err := http.NewRequest([]string{"GET", "HEAD", "POST", "PATCH"}[i%4], "http://"+lab.AddressServer+"/", nil)
		if err != nil {
			t.Error(err)
			return false
		}
		request.URL.Opaque = paths[i%len(paths)]
		answer, err := client.Do(request)
		if err != nil {
			return false // cut off by the daemon's limits
		}
		defer answer.Body.Close()
		head := make([]byte, 4096)
		n, _ := answer.Body.Read(head)
		if bytes.Contains(head[:n], []byte("PRIVATE KEY")) || bytes.Contains(head[:n], []byte("root:")) {
			t.Errorf("%s %s gave away a file from outside", request.Method, request.URL.Opaque)
		}
		return true
	})
}

func floodBytes(_ *testing.T, space string) int64 {
	return workers(func(i int) bool {
		conn, err := lab.DialIn(space, "tcp", lab.AddressServer+":80")
		if err != nil {
			return false
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(2 * time.Second)) // garbage may be left unanswered
		_, err = conn.Write(garbage(uint64(i), 1400))
		return err == nil
	})
}

func floodTFTP(t *testing.T, space string) int64 {
	names := []string{"../../../etc/shadow", `..\..\etc\shadow`, "/etc/shadow", "shimx64.efi", "", strings.Repeat("a", 400)}
	return workers(func(i int) bool {
		packet := binary.BigEndian.AppendUint16(nil, 1) // RRQ
		packet = append(append(packet, names[i%len(names)]...), 0)
		packet = append(append(packet, "octet"...), 0)
		switch i % 4 {
		case 1:
			packet = append(packet, "blksize\x0099999999999\x00tsize\x00-1\x00"...)
		case 2:
			packet = garbage(uint64(i), 512)
		case 3:
			packet = packet[:len(packet)-1-i%3]
		}
		return send(t, space, lab.AddressServer+":69", packet)
	})
}

func floodDHCP(t *testing.T, space string) int64 {
	return workers(func(i int) bool {
		packet := make([]byte, 236, 1400)
		packet[0], packet[1], packet[2] = 1, 1, 6 // BOOTREQUEST over Ethernet
		binary.BigEndian.PutUint32(packet[4:], uint32(i))
		packet[10] = 0x80 // broadcast
		packet[28], packet[32], packet[33] = 0x52, byte(i>>8), byte(i)
		packet = append(packet, 0x63, 0x82, 0x53, 0x63, 53, 1, byte(1+i%10))
		packet = append(packet, garbage(uint64(i), i%1000)...)
		return send(t, space, "10.77.0.255:67", packet) && send(t, space, lab.AddressServer+":4011", packet)
	})
}

func floodIdle(_ *testing.T, space string) int64 {
	var mu sync.Mutex
	var held []net.Conn
	arrived := workers(func(int) bool {
		conn, err := lab.DialIn(space, "tcp", lab.AddressServer+":"+lab.AgentPort)
		if err != nil {
			return false
		}
		mu.Lock()
		held = append(held, conn)
		for len(held) > 500 {
			_ = held[0].Close()
			held = held[1:]
		}
		mu.Unlock()
		return true
	})
	for _, conn := range held {
		_ = conn.Close()
	}
	return arrived
}

// garbage makes n bytes that are the same in every run.
func garbage(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// send sends one datagram from a port of its own, and tells whether it left.
func send(t *testing.T, space, address string, packet []byte) bool {
	err := lab.Inside(space, func() error {
		conn, err := net.Dial("udp4", address)
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write(packet)
		return err
	})
	// A full queue of the switch, or the answer to an earlier one, is no fault of the daemon.
	if err != nil && !strings.Contains(err.Error(), "refused") && !strings.Contains(err.Error(), "buffer") {
		t.Errorf("sending to %s: %v", address, err)
	}
	return err == nil
}
