package pxe_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ardoise/ardoise/pxe"
)

// The tests of this package need real networks: a switch and three hosts in network namespaces, made and removed by
// each test. The server and the PC are this test binary, started again inside a namespace.
//
//	dhcp 10.9.0.1 (dnsmasq) --\
//	srv  10.9.0.2 (Server)  ---+-- switch (bridge)
//	pc   10.9.0.77          --/

// role tells the started binary what it is.
const (
	role       = "ARDOISE_PXE_TEST_ROLE"
	roleServer = "server"
	rolePC     = "pc"
	roleWaker  = "waker"
)

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case roleServer:
		os.Exit(serve())
	case rolePC:
		os.Exit(talk())
	case roleWaker:
		if err := pxe.Wake(context.Background(), net.HardwareAddr{0x52, 0x54, 0, 0, 0, 9}, []byte{1, 2, 3, 4, 5, 6}, nil); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// setting is the configuration of a started server.
type setting struct {
	Boot, State string
	Choice      pxe.Choice
	Interfaces  []string
	Mkimage     string
}

// told is one line of a started server's output.
type told struct {
	Ready bool
	Event *pxe.Event
	Asked *pxe.Machine
	End   string
}

// printer is a Booter that answers always the same and prints what it hears.
type printer struct {
	mu     sync.Mutex
	choice pxe.Choice
}

func (p *printer) say(t told) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b, err := json.Marshal(t)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(b))
}

// Boot implements pxe.Booter.
func (p *printer) Boot(_ context.Context, m pxe.Machine) (pxe.Choice, error) {
	p.say(told{Asked: &m})
	if m.MAC.String() == "52:54:00:00:00:bb" {
		panic("a fault in the booter")
	}
	return p.choice, nil
}

// Saw implements pxe.Booter.
func (p *printer) Saw(e pxe.Event) { p.say(told{Event: &e}) }

// serve is the server's process: its setting comes on standard input, what it sees goes to standard output.
func serve() int {
	var s setting
	if err := json.NewDecoder(os.Stdin).Decode(&s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	p := &printer{choice: s.Choice}
	err := pxe.Server{
		Booter: p, Boot: s.Boot, StateDir: s.State, Interfaces: s.Interfaces, Mkimage: s.Mkimage, Rescan: 200 * time.Millisecond,
		Arguments: func(a netip.Addr) []string { return []string{"ardoise.server=" + a.String() + ":7443"} },
		Ready:     func([]pxe.Link) { p.say(told{Ready: true}) },
		Log:       slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo})),
	}.Run(ctx)
	if err != nil {
		p.say(told{End: err.Error()})
		return 1
	}
	p.say(told{End: "nil"})
	return 0
}

// script is what a PC does: sends packets from a port, a pause after each, and prints what arrives on its ports.
type script struct {
	Packets []string // hexadecimal
	From    int      // source port: 68, 67 (as a relay) or 4011
	To      string   // address and port
	Pause   time.Duration
	Wait    time.Duration // after the last
}

// heard is what a PC received.
type heard struct {
	From, On string // address and port
	Packet   string // hexadecimal
}

// talk is the PC's process.
func talk() int {
	var s script
	if err := json.NewDecoder(os.Stdin).Decode(&s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	var mu sync.Mutex
	ports := map[int]net.PacketConn{}
	for _, port := range []int{67, 68, 4011} {
		c, err := net.ListenPacket("udp4", fmt.Sprintf(":%d", port))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
		ports[port] = c
		go func() {
			buf := make([]byte, 2048)
			for {
				n, from, err := c.ReadFrom(buf)
				if err != nil {
					return
				}
				mu.Lock()
				b, _ := json.Marshal(heard{From: from.String(), On: strconv.Itoa(port), Packet: hex.EncodeToString(buf[:n])})
				fmt.Println(string(b))
				mu.Unlock()
			}
		}()
	}
	to, err := net.ResolveUDPAddr("udp4", s.To)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	for _, text := range s.Packets {
		b, err := hex.DecodeString(text)
		if err == nil {
			_, err = ports[s.From].WriteTo(b, to)
		}
		if err != nil && !errors.Is(err, syscall.ENOBUFS) {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
		time.Sleep(s.Pause)
	}
	time.Sleep(s.Wait)
	return 0
}

// lab is the network of one test.
type lab struct {
	t    *testing.T
	name string
	boot string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: network namespaces, raw sockets and the ports 67, 69 and 4011")
	}
	l := &lab{t: t, name: fmt.Sprintf("pxt%d", os.Getpid()), boot: t.TempDir()}
	for name, size := range map[string]int{"shimx64.efi": 1_000_001, "grubx64.efi": 20_000, "vmlinuz": 100_000, "stage1.img": 5} {
		if err := os.WriteFile(filepath.Join(l.boot, name), bytes.Repeat([]byte{name[0]}, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l.run("ip", "netns", "add", l.name+"sw")
	t.Cleanup(func() { l.run("ip", "netns", "del", l.name+"sw") })
	l.in("sw", "ip", "link", "add", "br0", "type", "bridge")
	l.in("sw", "ip", "link", "set", "br0", "up")
	for host, address := range map[string]string{"dhcp": "10.9.0.1/24", "srv": "10.9.0.2/24", "pc": "10.9.0.77/24"} {
		l.run("ip", "netns", "add", l.name+host)
		t.Cleanup(func() { l.run("ip", "netns", "del", l.name+host) })
		l.in("sw", "ip", "link", "add", "p"+host, "type", "veth", "peer", "name", "eth0", "netns", l.name+host)
		l.in("sw", "ip", "link", "set", "p"+host, "master", "br0", "up")
		l.in(host, "ip", "link", "set", "lo", "up")
		l.in(host, "ip", "link", "set", "eth0", "up")
		l.in(host, "ip", "addr", "add", address, "brd", "+", "dev", "eth0")
	}
	l.in("pc", "ip", "route", "add", "default", "dev", "eth0") // what to everybody leaves by
	return l
}

// step is a subtest on the same network.
func (l *lab) step(v *server, name string, f func(t *testing.T)) {
	whole := l.t
	defer func() { l.t, v.t = whole, whole }()
	whole.Run(name, func(t *testing.T) {
		l.t, v.t = t, t
		f(t)
	})
}

func (l *lab) run(name string, args ...string) string {
	l.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		l.t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// in runs a program on a host and returns what it says.
func (l *lab) in(host string, name string, args ...string) string {
	l.t.Helper()
	return l.run("ip", append([]string{"netns", "exec", l.name + host, name}, args...)...)
}

// dnsmasq starts the school's DHCP server on a host, and waits until it serves.
func (l *lab) dnsmasq(host string, args ...string) {
	l.t.Helper()
	all := append([]string{
		"netns", "exec", l.name + host, "dnsmasq", "--conf-file=/dev/null", "--no-daemon", "--no-ping", "--port=0", "--log-facility=-",
		"--dhcp-leasefile=" + filepath.Join(l.t.TempDir(), "leases"), "--dhcp-range=10.9.0.100,10.9.0.199,255.255.255.0,1h",
	}, args...)
	cmd := exec.Command("ip", all...)
	said, err := cmd.StderrPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "DHCP, IP range") {
			go func() {
				for lines.Scan() {
				}
			}()
			return
		}
	}
	l.t.Fatal("dnsmasq ended before it served")
}

// server is a started Server.
type server struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan told
}

// serve starts the Server under test and waits until PCs can start.
func (l *lab) serve(s setting) *server {
	l.t.Helper()
	v := l.launch(s)
	v.until("ready", func(x told) bool { return x.Ready })
	return v
}

func (l *lab) launch(s setting) *server {
	l.t.Helper()
	if s.Boot == "" {
		s.Boot = l.boot
	}
	v := &server{t: l.t, cmd: exec.Command("ip", "netns", "exec", l.name+"srv", os.Args[0]), lines: make(chan told, 100_000)}
	v.cmd.Env = append(os.Environ(), role+"="+roleServer)
	in, err := json.Marshal(s)
	if err != nil {
		l.t.Fatal(err)
	}
	v.cmd.Stdin = bytes.NewReader(in)
	v.cmd.Stderr = os.Stderr
	out, err := v.cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := v.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	go func() {
		defer close(v.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var x told
			if json.Unmarshal(lines.Bytes(), &x) == nil {
				v.lines <- x
			}
		}
	}()
	l.t.Cleanup(v.stop)
	return v
}

// stop ends the server as a service manager would, and wants it to end well.
func (v *server) stop() {
	if v.cmd.ProcessState != nil {
		return
	}
	if err := v.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return
	}
	end := ""
	for x := range v.lines {
		end += x.End
	}
	if err := v.cmd.Wait(); err != nil || end != "nil" {
		v.t.Errorf("the server ended with %q, %v", end, err)
	}
}

// until reads the server's output up to the line that is waited for.
func (v *server) until(what string, is func(told) bool) told {
	v.t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case x, ok := <-v.lines:
			if !ok {
				v.t.Fatalf("the server ended before: %s", what)
			}
			if is(x) {
				return x
			}
		case <-late:
			v.t.Fatalf("never came: %s", what)
		}
	}
}

// event waits for an event of a stage.
func (v *server) event(s pxe.Stage) pxe.Event {
	v.t.Helper()
	return *v.until("event "+string(s), func(x told) bool { return x.Event != nil && x.Event.Stage == s }).Event
}

// say has the PC send packets and returns what it hears.
func (l *lab) say(s script) []heard {
	l.t.Helper()
	if s.From == 0 {
		s.From = 68
	}
	if s.To == "" {
		s.To = "255.255.255.255:67"
	}
	if s.Wait == 0 {
		s.Wait = 600 * time.Millisecond
	}
	in, err := json.Marshal(s)
	if err != nil {
		l.t.Fatal(err)
	}
	cmd := exec.Command("ip", "netns", "exec", l.name+"pc", os.Args[0])
	cmd.Env = append(os.Environ(), role+"="+rolePC)
	cmd.Stdin = bytes.NewReader(in)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		l.t.Fatal(err)
	}
	var all []heard
	for line := range strings.SplitSeq(strings.TrimSpace(string(out)), "\n") {
		var h heard
		if line != "" && json.Unmarshal([]byte(line), &h) == nil {
			all = append(all, h)
		}
	}
	return all
}
