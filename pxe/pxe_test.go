package pxe_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/ardoise/ardoise/pxe"
	"github.com/ardoise/ardoise/pxe/grub"
	"github.com/ardoise/ardoise/pxe/proxydhcp"
)

// packet takes one caught from firmware, lets f change it, and returns it in hexadecimal.
func packet(t *testing.T, name string, f func(*dhcpv4.DHCPv4)) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("proxydhcp", "testdata", name+".hex"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	if f == nil {
		return hex.EncodeToString(b)
	}
	p, err := dhcpv4.FromBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	f(p)
	return hex.EncodeToString(p.ToBytes())
}

// mac sets the client's address.
func mac(last byte) func(*dhcpv4.DHCPv4) {
	return func(p *dhcpv4.DHCPv4) { p.ClientHWAddr = []byte{0x52, 0x54, 0, 0, 0, last} }
}

// from sorts what was heard by who sent it.
func from(t *testing.T, all []heard, sender string) []*dhcpv4.DHCPv4 {
	t.Helper()
	var out []*dhcpv4.DHCPv4
	for _, h := range all {
		if h.From != sender {
			continue
		}
		b, err := hex.DecodeString(h.Packet)
		if err != nil {
			t.Fatal(err)
		}
		p, err := dhcpv4.FromBytes(b)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

const (
	school = "10.9.0.1:67"
	ours   = "10.9.0.2:67"
)

func agentChoice() pxe.Choice {
	return pxe.Choice{Action: pxe.StartAgent, Arguments: "console=ttyS0"}
}

// TestBesideTheSchoolsDHCP: what firmware asks by broadcast. The steps share the network, which takes a second to make.
func TestBesideTheSchoolsDHCP(t *testing.T) {
	l := newLab(t)
	l.dnsmasq("dhcp")
	v := l.serve(setting{Choice: agentChoice(), State: t.TempDir()})

	l.step(v, "a PC gets the address from the school and the file from us", func(t *testing.T) {
		all := l.say(script{Packets: []string{packet(t, "ovmf-discover", nil)}})
		lease, proxy := from(t, all, school), from(t, all, ours)
		if len(lease) != 1 || len(proxy) != 1 {
			t.Fatalf("heard %+v", all)
		}
		if lease[0].YourIPAddr.IsUnspecified() || !proxy[0].YourIPAddr.IsUnspecified() {
			t.Errorf("addresses %v and %v", lease[0].YourIPAddr, proxy[0].YourIPAddr)
		}
		if proxy[0].BootFileName != "shimx64.efi" || proxy[0].ServerIPAddr.String() != "10.9.0.2" {
			t.Errorf("file %q at %v", proxy[0].BootFileName, proxy[0].ServerIPAddr)
		}
		if e := v.event(pxe.StageOffer); e.Style != pxe.StyleG || e.MAC.String() != "52:54:00:12:34:56" {
			t.Errorf("event %+v", e)
		}
	})
	l.step(v, "what does not ask to boot is not answered", func(t *testing.T) {
		plain := packet(t, "ovmf-discover", func(p *dhcpv4.DHCPv4) { mac(1)(p); p.DeleteOption(dhcpv4.OptionClassIdentifier) })
		release := packet(t, "ovmf-discover", func(p *dhcpv4.DHCPv4) {
			mac(2)(p)
			p.UpdateOption(dhcpv4.OptMessageType(dhcpv4.MessageTypeRelease))
		})
		all := l.say(script{Packets: []string{plain, release, packet(t, "ovmf-request", nil), packet(t, "dnsmasq-offer", nil)}})
		if got := from(t, all, ours); len(got) != 0 {
			t.Errorf("we said %v", got)
		}
	})
	l.step(v, "each firmware gets its own loader", func(t *testing.T) {
		for n, c := range []struct {
			base string
			arch []byte
			want string
		}{
			{"ipxe-discover", []byte{0, 0}, "bios.0"},
			{"ovmf-discover", []byte{0, 7}, "shimx64.efi"},
			{"ovmf-discover", []byte{0, 9}, "shimx64.efi"},
			{"ovmf-discover", []byte{0, 6}, "uefi-32-bit-is-not-served"},
			{"ovmf-http-discover", []byte{0, 16}, "http://10.9.0.2/shimx64.efi"},
		} {
			all := l.say(script{Wait: 300 * time.Millisecond, Packets: []string{packet(t, c.base, func(p *dhcpv4.DHCPv4) {
				mac(byte(0x20 + n))(p)
				p.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionClientSystemArchitectureType, c.arch))
			})}})
			got := from(t, all, ours)
			if len(got) != 1 || got[0].BootFileName+string(got[0].Options.Get(dhcpv4.OptionBootfileName)) != c.want {
				t.Errorf("architecture %v: %v", c.arch, got)
			}
		}
	})
	l.step(v, "a PC that keeps asking is offered other styles", func(t *testing.T) {
		ask := packet(t, "ovmf-discover", mac(3))
		all := l.say(script{Packets: []string{ask, ask, ask, ask}, Pause: 1100 * time.Millisecond})
		var styles []string
		for _, p := range from(t, all, ours) {
			v := proxydhcp.Vendor(p.Options.Get(dhcpv4.OptionVendorSpecificInformation))
			styles = append(styles, fmt.Sprint(len(v)))
		}
		if got := strings.Join(styles, " "); got != "4 0 1 4" { // sub-options of G, B, A, G
			t.Errorf("sub-options in each offer: %s", got)
		}
		if e := v.event(pxe.StageIgnored); !strings.Contains(e.Detail, "66 = 10.9.0.2") {
			t.Errorf("event %+v", e)
		}
	})
}

// TestEverythingElseThatArrives: unicast, garbage, files, and a change of our own address.
func TestEverythingElseThatArrives(t *testing.T) {
	l := newLab(t)
	v := l.serve(setting{Choice: agentChoice(), State: t.TempDir()})

	l.step(v, "port 4011 answers to the port that asked", func(t *testing.T) {
		all := l.say(script{From: 4011, To: "10.9.0.2:4011", Packets: []string{packet(t, "ovmf-request", mac(4))}})
		if len(all) != 1 || all[0].On != "4011" || all[0].From != "10.9.0.2:4011" {
			t.Fatalf("heard %+v", all)
		}
		if p := from(t, all, "10.9.0.2:4011")[0]; p.MessageType() != dhcpv4.MessageTypeAck || p.BootFileName != "shimx64.efi" {
			t.Errorf("answer %v", p.Summary())
		}
	})
	l.step(v, "a relay is answered, not the broadcast", func(t *testing.T) {
		ask := packet(t, "ovmf-discover", func(p *dhcpv4.DHCPv4) { mac(5)(p); p.GatewayIPAddr = []byte{10, 9, 0, 77} })
		all := l.say(script{From: 67, To: "10.9.0.2:67", Packets: []string{ask}})
		if len(all) != 1 || all[0].From != ours || all[0].On != "67" {
			t.Errorf("heard %+v", all)
		}
	})
	l.step(v, "garbage is survived", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		base, _ := hex.DecodeString(packet(t, "ovmf-discover", nil))
		var all []string
		for i := range 10_000 {
			b := bytes.Clone(base)
			for range 1 + r.IntN(8) {
				b[r.IntN(len(b))] = byte(r.Uint32())
			}
			if i%3 == 0 {
				b = b[:r.IntN(len(b))]
			}
			all = append(all, hex.EncodeToString(b))
		}
		all = append(all, packet(t, "ovmf-discover", mac(0xbb))) // the booter panics for this one
		l.say(script{Packets: all, Wait: 500 * time.Millisecond})
		if got := from(t, l.say(script{Packets: []string{packet(t, "ovmf-discover", mac(6))}}), ours); len(got) != 1 {
			t.Errorf("afterwards we said %v", got)
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", v.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		var peak int
		_, rest, _ := strings.Cut(string(status), "VmHWM:")
		if _, err := fmt.Sscan(rest, &peak); err != nil || peak > 100_000 {
			t.Errorf("the server has used %d KiB, %v", peak, err)
		}
	})
	l.step(v, "files", func(t *testing.T) { filesAreServed(t, l, v) })
	l.step(v, "our own address changes", func(t *testing.T) {
		l.in("srv", "ip", "addr", "add", "10.9.0.3/24", "brd", "+", "dev", "eth0")
		l.in("srv", "ip", "addr", "del", "10.9.0.2/24", "dev", "eth0")
		v.until("ready", func(x told) bool { return x.Ready })
		// Removing the first address removes the second of the same network too, unless the system promotes it.
		if !strings.Contains(l.in("srv", "ip", "addr", "show", "dev", "eth0"), "10.9.0.3") {
			l.in("srv", "ip", "addr", "add", "10.9.0.3/24", "brd", "+", "dev", "eth0")
			v.until("ready", func(x told) bool { return x.Ready })
		}
		all := l.say(script{Packets: []string{packet(t, "ipxe-discover", mac(7))}})
		if got := from(t, all, "10.9.0.3:67"); len(got) != 1 || got[0].ServerIPAddr.String() != "10.9.0.3" {
			t.Fatalf("heard %+v", all)
		}
		out := filepath.Join(t.TempDir(), "core")
		l.in("pc", "curl", "-sS", "--max-time", "20", "-o", out, "tftp://10.9.0.3/bios.0")
		core, err := os.ReadFile(out)
		if err != nil || len(core) < 100_000 {
			t.Errorf("the BIOS image has %d bytes, %v", len(core), err)
		}
	})
}

// filesAreServed fetches as firmware, shim and GRUB would.
func filesAreServed(t *testing.T, l *lab, v *server) {
	t.Helper()
	get := func(url string) (string, error) {
		out := filepath.Join(t.TempDir(), "out")
		said, err := exec.Command("ip", "netns", "exec", l.name+"pc", "curl", "-sSf", "--path-as-is", "--max-time", "20", "-o", out, url).CombinedOutput()
		if err != nil {
			return string(said), err
		}
		b, err := os.ReadFile(out)
		return string(b), err
	}
	for _, base := range []string{"tftp://10.9.0.2/", "http://10.9.0.2/"} {
		for name, want := range map[string]string{
			"shimx64.efi": strings.Repeat("s", 1_000_001), "/grubx64.efi": strings.Repeat("g", 20_000),
			"vmlinuz": strings.Repeat("v", 100_000), "stage1.img": "sssss",
		} {
			if got, err := get(base + name); err != nil || got != want {
				t.Errorf("%s%s: %d bytes, %v", base, name, len(got), err)
			}
		}
		for _, name := range []string{"start-the-disk", "stage2.img", "boot.json", "../../../etc/passwd", "grub/mac-.cfg", "grub"} {
			if got, err := get(base + name); err == nil {
				t.Errorf("%s%s gave %q", base, name, got)
			}
		}
	}
	if got, err := get("tftp://10.9.0.2/grub/grub.cfg"); err != nil || !strings.Contains(got, "mac-$net_default_mac.cfg") {
		t.Errorf("grub.cfg: %q, %v", got, err)
	}
	got, err := get("tftp://10.9.0.2/grub/mac-52:54:00:00:00:09.cfg")
	if err != nil || !strings.Contains(got, "linux (http,10.9.0.2:80)/vmlinuz ardoise.server=10.9.0.2:7443 console=ttyS0 ") ||
		!strings.Contains(got, "linux (tftp,10.9.0.2)/vmlinuz ") {
		t.Errorf("the PC's configuration: %q, %v", got, err)
	}
	own := strings.TrimSpace(l.in("pc", "cat", "/sys/class/net/eth0/address"))
	if e := v.event(pxe.StageConfig); e.MAC.String() != "52:54:00:00:00:09" || e.Asker.String() != own {
		t.Errorf("event %+v, want it to name the asker %s", e, own)
	}
	if _, err := get("tftp://10.9.0.2/grub/mac-" + own + ".cfg"); err != nil {
		t.Errorf("its own configuration: %v", err)
	}
	if e := v.event(pxe.StageConfig); e.MAC.String() != own || e.Asker != nil {
		t.Errorf("event %+v, want no other asker", e)
	}
	if got, err = get("http://10.9.0.2/grub/mac-52:54:00:00:00:09.cfg"); err != nil || strings.Contains(got, "(tftp") {
		t.Errorf("after HTTP boot TFTP crashes the firmware: %q, %v", got, err)
	}
}

func TestAPCWithNothingToDoIsSentToItsDisk(t *testing.T) {
	l := newLab(t)
	v := l.serve(setting{Choice: pxe.Choice{Action: pxe.StartDisk}})
	got := from(t, l.say(script{Packets: []string{packet(t, "ovmf-discover", nil)}}), ours)
	if len(got) != 1 || got[0].BootFileName != "start-the-disk" {
		t.Fatalf("heard %v", got)
	}
	const notFound = 68 // curl's exit status for TFTP error 1
	var exit *exec.ExitError
	err := exec.Command("ip", "netns", "exec", l.name+"pc", "curl", "-sS", "tftp://10.9.0.2/start-the-disk").Run()
	if !errors.As(err, &exit) || exit.ExitCode() != notFound {
		t.Errorf("TFTP says %v", err)
	}
	v.event(pxe.StageLocal)
}

func TestAPCWhoseFirmwareStopsGetsItsDiskFromGRUB(t *testing.T) {
	l := newLab(t)
	l.serve(setting{Choice: pxe.Choice{Action: pxe.StartDisk, Chainload: true}})
	got := from(t, l.say(script{Packets: []string{packet(t, "ovmf-discover", nil)}}), ours)
	if len(got) != 1 || got[0].BootFileName != "shimx64.efi" {
		t.Fatalf("heard %v", got)
	}
	config := l.in("pc", "curl", "-sSf", "tftp://10.9.0.2/grub/mac-52:54:00:12:34:56.cfg")
	for _, want := range []string{"set root=(hd0)", "--set=root /EFI/Microsoft/Boot/bootmgfw.efi", "--set=root /EFI/debian/shimx64.efi"} {
		if !strings.Contains(config, want) {
			t.Errorf("%q is not in the configuration", want)
		}
	}
	if strings.Contains(config, "vmlinuz") {
		t.Error("the configuration starts our kernel")
	}
}

func TestAMenuRoomGetsItsMenuFromTheNetworkToo(t *testing.T) {
	l := newLab(t)
	l.serve(setting{Choice: pxe.Choice{Action: pxe.StartMenu, Arguments: "console=ttyS0", Menu: grub.MenuOptions{Reset: true}}})
	got := from(t, l.say(script{Packets: []string{packet(t, "ovmf-discover", nil)}}), ours)
	if len(got) != 1 || got[0].BootFileName != "shimx64.efi" {
		t.Fatalf("heard %v", got)
	}
	config := l.in("pc", "curl", "-sSf", "tftp://10.9.0.2/grub/mac-52:54:00:12:34:56.cfg")
	for _, want := range []string{"--id disk", "--id reset", "(http,10.9.0.2", "console=ttyS0", `"ardoise.wish=$1"`} {
		if !strings.Contains(config, want) {
			t.Errorf("%q is not in the configuration", want)
		}
	}
}

func TestForeignBootServersAreNamedOnce(t *testing.T) {
	l := newLab(t)
	l.dnsmasq("dhcp", "--dhcp-boot=pxelinux.0,,10.9.0.9")
	v := l.serve(setting{Choice: agentChoice()})
	ask := []string{packet(t, "ovmf-discover", mac(1)), packet(t, "ovmf-discover", mac(2)), packet(t, "ovmf-discover", mac(3))}
	l.say(script{Packets: ask, Pause: 300 * time.Millisecond})
	e := v.event(pxe.StageForeign)
	if len(e.MAC) != 0 || !strings.Contains(e.Detail, "10.9.0.1") || !strings.Contains(e.Detail, `"pxelinux.0"`) {
		t.Errorf("event %+v", e)
	}
	again := packet(t, "ovmf-discover", mac(4))
	l.say(script{Packets: []string{again}})
	v.until("the next PC's offer", func(x told) bool {
		if x.Event != nil && x.Event.Stage == pxe.StageForeign {
			t.Errorf("reported again: %s", x.Event.Detail)
		}
		return x.Event != nil && x.Event.Stage == pxe.StageOffer && x.Event.MAC.String() == "52:54:00:00:00:04"
	})
}

// TestASecondDHCPServerOnOurHostKeepsItsPort: were port 67 ours, dnsmasq started later would get no socket.
func TestASecondDHCPServerOnOurHostKeepsItsPort(t *testing.T) {
	l := newLab(t)
	l.serve(setting{Choice: agentChoice()})
	l.dnsmasq("srv", "--interface=eth0", "--bind-interfaces")
	got := from(t, l.say(script{Packets: []string{packet(t, "ovmf-discover", nil)}}), ours)
	var lease, proxy int
	for _, p := range got {
		if p.YourIPAddr.IsUnspecified() {
			proxy++
		} else {
			lease++
		}
	}
	if lease != 1 || proxy != 1 {
		t.Errorf("%d leases and %d proxy offers", lease, proxy)
	}
}

func TestWithoutGrubMkimageUEFIIsServedAndBIOSIsNamed(t *testing.T) {
	l := newLab(t)
	v := l.serve(setting{Choice: agentChoice(), Mkimage: "/nonexistent/grub-mkimage"})
	if out := l.in("pc", "curl", "-sSf", "tftp://10.9.0.2/stage1.img"); out != "sssss" {
		t.Errorf("got %q", out)
	}
	if out, err := exec.Command("ip", "netns", "exec", l.name+"pc", "curl", "-sS", "tftp://10.9.0.2/bios.0").CombinedOutput(); err == nil {
		t.Errorf("got %q", out)
	}
	if e := v.event(pxe.StageRefused); !strings.Contains(e.Detail, "grub-pc-bin") {
		t.Errorf("event %+v", e)
	}
}

func TestStartingSaysWhatIsWrong(t *testing.T) {
	l := newLab(t)
	first := l.serve(setting{Choice: agentChoice()})
	empty := t.TempDir()
	for name, c := range map[string]struct {
		s    setting
		want string
	}{
		"the ports are taken":          {setting{}, "udp port 69 (TFTP) is used by another program"},
		"the boot files are not there": {setting{Boot: empty}, "boot file " + empty + "/shimx64.efi is missing"},
		"a misspelt interface":         {setting{Interfaces: []string{"eht0"}}, `there is no network interface "eht0"`},
	} {
		l.step(first, name, func(t *testing.T) {
			v := l.launch(c.s)
			x := v.until("the end", func(x told) bool { return x.End != "" })
			if !strings.Contains(x.End, c.want) {
				t.Errorf("got %q", x.End)
			}
			v.cmd.Wait()
		})
	}
}

// TestTFTPSurvivesLoss: with half a per cent of the frames lost on the switch, as in a school with one bad cable.
func TestTFTPSurvivesLoss(t *testing.T) {
	l := newLab(t)
	rules := filepath.Join(t.TempDir(), "rules")
	text := "table bridge loss {\n chain f {\n type filter hook forward priority 0\n ip protocol udp numgen random mod 1000 < 5 counter drop\n }\n}\n"
	if err := os.WriteFile(rules, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l.serve(setting{Choice: agentChoice()})
	l.in("sw", "nft", "-f", rules)
	out := filepath.Join(t.TempDir(), "out")
	for range 3 {
		l.in("pc", "curl", "-sSf", "--max-time", "60", "--tftp-blksize", "512", "-o", out, "tftp://10.9.0.2/shimx64.efi")
		if b, err := os.ReadFile(out); err != nil || len(b) != 1_000_001 {
			t.Errorf("%d bytes, %v", len(b), err)
		}
	}
	if rules := l.in("sw", "nft", "list", "ruleset"); strings.Contains(rules, "packets 0 ") {
		t.Errorf("nothing was lost: %s", rules)
	}
}

// TestWakeReachesTheSleeper: three times, as UDP and as a bare frame, with the password.
func TestWakeReachesTheSleeper(t *testing.T) {
	l := newLab(t)
	const magic = "ffffffffffff" + "525400000009525400000009525400000009525400000009525400000009525400000009525400000009525400000009" +
		"525400000009525400000009525400000009525400000009525400000009525400000009525400000009525400000009" + "010203040506"
	sleeper := exec.Command("ip", "netns", "exec", l.name+"pc", "timeout", "20", "tcpdump", "--immediate-mode", "-l", "-nn", "-x", "-i", "eth0", "-c", "6",
		"udp port 9 or ether proto 0x0842")
	out, err := sleeper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	ready, err := sleeper.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(ready); lines.Scan() && !strings.Contains(lines.Text(), "listening on"); {
	}
	waker := exec.Command("ip", "netns", "exec", l.name+"srv", os.Args[0])
	waker.Env = append(os.Environ(), role+"="+roleWaker)
	if said, err := waker.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	text, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := sleeper.Wait(); err != nil {
		t.Fatal(err)
	}
	var frames, datagrams int
	var packet strings.Builder
	for line := range strings.SplitSeq(string(text), "\n") {
		if _, dump, ok := strings.Cut(line, ":  "); ok && strings.HasPrefix(line, "\t0x") {
			packet.WriteString(strings.ReplaceAll(dump, " ", ""))
			continue
		}
		if strings.Contains(line, "10.9.0.255.9:") {
			datagrams++
		} else if strings.Contains(line, "0x0842") || strings.Contains(line, "Wake-on-LAN") || strings.Contains(line, "WoL") {
			frames++
		}
	}
	if frames != 3 || datagrams != 3 || strings.Count(packet.String(), magic) != 6 {
		t.Errorf("%d frames and %d datagrams, %d of them whole:\n%s", frames, datagrams, strings.Count(packet.String(), magic), text)
	}
}
