package wake_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mdlayher/packet"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/integration/lab"
	"github.com/ardoise/ardoise/integration/lab/rig"
	"github.com/ardoise/ardoise/pxe/wol"
)

const mac = "52:54:00:a7:d1:07"

// vlan is a school with a second network behind a router.
type vlan struct {
	*lab.School
	t                  *testing.T
	router, helper, pc string // namespaces
	key                string // file
	frames, datagrams  chan string
}

// command runs a program to its end.
func (v *vlan) command(args ...string) {
	v.t.Helper()
	if out, err := exec.CommandContext(v.t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
		v.t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
}

func open(t *testing.T) *vlan {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	school, err := lab.Open(t.Context(), lab.Options{Checkout: root, Logs: filepath.Join(root, "build", "lab", "wake")})
	if err != nil {
		t.Fatal(err)
	}
	rig.CloseAtEnd(t, school)
	v := &vlan{School: school, t: t, key: filepath.Join(school.Dir, "vlan2.json"), frames: make(chan string, 1000), datagrams: make(chan string, 1000)}
	if v.router, err = school.Plug(t.Context(), "router", "10.77.0.254"); err != nil {
		t.Fatal(err)
	}
	id := strings.TrimSuffix(v.router, "router") // what the school removes at its end
	v.helper, v.pc = id+"helper", id+"pc"
	v.command("ip", "netns", "exec", v.router, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
	v.command("ip", "-n", v.router, "link", "add", "br2", "type", "bridge", "stp_state", "0")
	v.command("ip", "-n", v.router, "addr", "add", "10.78.0.1/24", "brd", "+", "dev", "br2")
	v.command("ip", "-n", v.router, "link", "set", "br2", "up")
	for space, address := range map[string]string{v.helper: "10.78.0.5/24", v.pc: "10.78.0.7/24"} {
		port := "q-" + strings.TrimPrefix(space, id)
		v.command("ip", "netns", "add", space)
		v.command("ip", "-n", v.router, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", space)
		v.command("ip", "-n", v.router, "link", "set", port, "master", "br2", "up")
		v.command("ip", "-n", space, "link", "set", "lo", "up")
		v.command("ip", "-n", space, "link", "set", "eth0", "up")
		v.command("ip", "-n", space, "addr", "add", address, "brd", "+", "dev", "eth0")
		v.command("ip", "-n", space, "route", "add", "default", "via", "10.78.0.1")
	}
	v.command("ip", "-n", v.ServerSpace(), "route", "add", "10.78.0.0/24", "via", "10.77.0.254")
	v.listen()
	return v
}

// listen takes what a sleeping card wakes by: of each packet that wakes somebody, whom.
func (v *vlan) listen() {
	v.t.Helper()
	var raw *packet.Conn
	var udp net.PacketConn
	err := lab.Inside(v.pc, func() error {
		ifi, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		if raw, err = packet.Listen(ifi, packet.Raw, wol.EtherType, nil); err != nil {
			return err
		}
		udp, err = net.ListenPacket("udp4", fmt.Sprintf(":%d", wol.Port))
		return err
	})
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() {
		if err := errors.Join(raw.Close(), udp.Close()); err != nil {
			v.t.Error(err)
		}
	})
	hw, err := net.ParseMAC(mac)
	if err != nil {
		v.t.Fatal(err)
	}
	magic, err := wol.Magic(hw, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	for c, to := range map[net.PacketConn]chan string{raw: v.frames, udp: v.datagrams} {
		go func() {
			b := make([]byte, 2000)
			for {
				n, from, err := c.ReadFrom(b)
				if err != nil {
					return
				}
				if bytes.Contains(b[:n], magic) {
					to <- from.String()
				}
			}
		}()
	}
}

// wake orders a wake, and returns what the command says.
func (v *vlan) wake() string {
	v.t.Helper()
	out, err := v.Order(v.t.Context(), "computer", "wake", "pc1")
	if err != nil {
		v.t.Fatal(err)
	}
	return out
}

// woken waits for a packet, and forgets those that follow it.
func (v *vlan) woken(when string, packets chan string) {
	v.t.Helper()
	began := time.Now()
	select {
	case from := <-packets:
		v.t.Logf("%s: woken by %s after %.1f s", when, from, time.Since(began).Seconds())
	case <-time.After(40 * time.Second):
		log, _ := os.ReadFile(filepath.Join(v.Logs, "helper.log"))
		v.t.Fatalf("%s: no magic packet within 40 s; the helper says:\n%s", when, log)
	}
	v.quiet(packets, 3*wol.Pause)
}

// quiet takes what is on its way, until nothing has come for a while; it returns how much that was.
func (v *vlan) quiet(packets chan string, pause time.Duration) (n int) {
	for len(packets) > 0 {
		<-packets
		n++
	}
	for {
		select {
		case <-packets:
			n++
		case <-time.After(pause):
			return n
		}
	}
}

// helps starts the helper, through a program that narrows its rights if there is one.
func (v *vlan) helps(through ...string) *lab.Process {
	v.t.Helper()
	p, err := lab.StartIn(v.helper, filepath.Join(v.Logs, "helper.log"), append(slices.Clone(through), v.Binary(), "helper", "run", "--key", v.key)...)
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(p.Kill)
	return p
}

// connected waits until the helper is there, as an administrator sees it.
func (v *vlan) connected() access.Helper {
	v.t.Helper()
	var all []access.Helper
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err := v.Ask(v.t.Context(), &all, "helper", "list"); err != nil {
			v.t.Fatal(err)
		}
		if len(all) == 1 && all[0].State == access.HelperConnected {
			return all[0]
		}
	}
	v.t.Fatalf("the helper did not connect: %+v", all)
	return access.Helper{}
}

// enrolled makes a computer of the second network known.
func (v *vlan) enrolled() {
	v.t.Helper()
	pc, err := lab.NewStandIn(v.pc, job.Hello{AgentVersion: "test", MAC: mac, NewKey: true, Inventory: job.Inventory{Serial: "PC1",
		Disks: []job.Disk{{Path: "/dev/sda", Size: 1 << 30, SectorSize: 512, Bus: "sata"}}, NICs: []job.NIC{{Name: "eth0", MAC: mac, Link: true}}}})
	if err != nil {
		v.t.Fatal(err)
	}
	welcome, err := pc.Introduce(v.t.Context())
	if err != nil {
		v.t.Fatal(err)
	}
	if _, err := v.Order(v.t.Context(), "computer", "approve", welcome.Code, "--name", "pc1"); err != nil {
		v.t.Fatal(err)
	}
}

func TestAHelperWakesWhereTheServerCannot(t *testing.T) {
	v := open(t)
	if err := v.StartDaemon(t.Context(), "--boot", "none"); err != nil {
		t.Fatal(err)
	}
	v.enrolled()
	if said := v.wake(); !strings.Contains(said, "no helper is in its network") {
		t.Errorf("without a helper it says %q", said)
	}
	if n := v.quiet(v.frames, time.Second) + v.quiet(v.datagrams, 0); n != 0 {
		t.Fatalf("%d packets came without a helper: the router lets them through, and this test proves nothing", n)
	}
	if _, err := v.Order(t.Context(), "helper", "add", "vlan2", "--out", v.key); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(v.key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key file: %v, %v", info.Mode(), err)
	}
	helper := v.helps()
	if h := v.connected(); !slices.Equal(h.Networks, []string{"10.78.0.0/24"}) || h.Computers != 1 || h.Address != "10.78.0.5" {
		t.Errorf("listed: %+v", h)
	}
	if said := v.wake(); !strings.Contains(said, "through the helper vlan2;") {
		t.Errorf("with a helper it says %q", said)
	}
	v.woken("at once", v.frames)
	if v.quiet(v.datagrams, 0) == 0 {
		t.Error("nothing came by UDP")
	}

	v.cut()
	v.restart()

	helper.Kill() // as by a power cut
	v.wake()
	helper = v.helps("setpriv", "--bounding-set", "-net_raw")
	v.woken("after the helper's power cut, without the right to send frames", v.datagrams)
	if n := v.quiet(v.frames, 0); n != 0 {
		t.Errorf("%d frames came from who may not send them", n)
	}
	log, err := os.ReadFile(filepath.Join(v.Logs, "helper.log"))
	if err != nil || bytes.Count(log, []byte("without CAP_NET_RAW")) != 1 || bytes.Contains(log, []byte("level=WARN msg=\"waking a computer\"")) {
		t.Errorf("%v, the helper says:\n%s", err, log)
	}
	v.forget(helper)
}

// cut breaks the helper's connection while a computer is to be woken: both ends are told, as by a router that forgot it.
func (v *vlan) cut() {
	v.t.Helper()
	rules := func(text string) {
		file := filepath.Join(v.Dir, "cut.nft")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			v.t.Fatal(err)
		}
		v.command("ip", "netns", "exec", v.router, "nft", "-f", file)
	}
	rules("table ip cut { chain f { type filter hook forward priority 0; meta l4proto tcp reject with tcp reset; }; }\n")
	v.wake()
	if n := v.quiet(v.frames, time.Second); n != 0 {
		v.t.Errorf("%d packets came while nothing could", n)
	}
	rules("delete table ip cut\n")
	v.woken("after a cut", v.frames)
}

// restart ends the daemon and starts it again.
func (v *vlan) restart() {
	v.t.Helper()
	if err := v.Daemon().Stop(10 * time.Second); err != nil {
		v.t.Fatal(err)
	}
	if err := v.StartDaemon(v.t.Context(), "--boot", "none"); err != nil {
		v.t.Fatal(err)
	}
	v.wake() // before the helper has come back
	v.woken("after a restart of the daemon", v.frames)
	v.connected()
}

// forget takes the helper's key away: it is told nothing more, and ends only when it is asked to.
func (v *vlan) forget(helper *lab.Process) {
	v.t.Helper()
	v.quiet(v.datagrams, time.Second)
	if _, err := v.Order(v.t.Context(), "helper", "forget", "vlan2"); err != nil {
		v.t.Fatal(err)
	}
	v.wake()
	if n := v.quiet(v.frames, time.Second) + v.quiet(v.datagrams, 0); n != 0 {
		v.t.Errorf("%d packets came after the helper was forgotten", n)
	}
	if !helper.Running() {
		v.t.Errorf("the helper ended by itself: %v", helper.Err())
	}
	if err := helper.Stop(5 * time.Second); err != nil || helper.Err() != nil {
		v.t.Errorf("the helper ended with %v, %v", err, helper.Err())
	}
	var events []access.Event
	if err := v.Ask(v.t.Context(), &events, "event", "list"); err != nil {
		v.t.Fatal(err)
	}
	text, err := json.Marshal(events)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, want := range []string{"through no helper: no helper is in its network", "through the helper vlan2", "vlan2 was added by", "vlan2 was forgotten by"} {
		if !bytes.Contains(text, []byte(want)) {
			v.t.Errorf("no event says %q: %s", want, text)
		}
	}
}

// A key file that is none, or that is another server's, is told as what it is.
func TestAHelperWithoutAKey(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	s := &lab.School{Checkout: root}
	bad := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(bad, []byte(`{"servers":["10.0.0.1:7443"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		args []string
		code int
		says string
	}{
		"none":            {[]string{"helper", "run"}, 2, "--key FILE"},
		"one that is not": {[]string{"helper", "run", "--key", bad + "x"}, 5, "helper add NAME --out FILE"},
		"half of one":     {[]string{"helper", "run", "--key", bad}, 4, "no key of a helper"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		_, err := s.Ardoise(ctx, tt.args...)
		cancel()
		var refused *lab.CommandError
		if !errors.As(err, &refused) || refused.Code != tt.code || !strings.Contains(refused.Complaint, tt.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
