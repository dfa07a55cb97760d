package refusals_test

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/integration/lab"
	"github.com/ardoise/ardoise/integration/lab/rig"
)

func TestServeRefusesWhatCannotWork(t *testing.T) {
	school := bare(t, "serve")
	serve := func(more ...string) []string {
		return append([]string{"serve", "--data", school.Data, "--interface", "eth0", "--boot", school.BootFiles()}, more...)
	}
	tests := map[string]struct {
		args []string
		code int
		word string
	}{
		"a port beyond 65535":            {serve("--http-port", "99999"), 2, "99999"},
		"a flag that does not exist":     {serve("--no-such-flag"), 2, "no-such-flag"},
		"no data folder":                 {[]string{"serve"}, 2, "data"},
		"an interface that is not there": {serve("--interface", "eth9"), 3, "eth9"},
		"a boot folder that is empty":    {serve("--boot", t.TempDir()), 3, "bootenv"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			wantRefusal(t, within(t, school, school.ServerSpace(), tt.args...), tt.code, tt.word)
		})
	}
}

func TestServeNamesThePortThatIsTaken(t *testing.T) {
	school := bare(t, "ports")
	for _, taken := range []string{"tcp 80", "tcp " + lab.AgentPort, "udp 69", "udp 4011"} {
		t.Run(taken, func(t *testing.T) {
			network, port, _ := strings.Cut(taken, " ")
			occupy(t, school.ServerSpace(), network, port)
			err := within(t, school, school.ServerSpace(), "serve", "--data", school.Data, "--interface", "eth0",
				"--boot", school.BootFiles())
			wantRefusal(t, err, 3, port)
		})
	}
}

// occupy holds a port in a namespace until the test ends.
func occupy(t *testing.T, space, network, port string) {
	t.Helper()
	var held interface{ Close() error }
	err := lab.Inside(space, func() (err error) {
		if network == "tcp" {
			held, err = net.Listen("tcp4", ":"+port)
		} else {
			held, err = net.ListenPacket("udp4", ":"+port)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := held.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestSecondDaemonOnTheSameDataIsRefused(t *testing.T) {
	school := rig.Golden(t, "two-daemons")
	err := within(t, school, school.DHCPSpace(), "serve", "--data", school.Data, "--interface", "eth0", "--boot", school.BootFiles())
	wantRefusal(t, err, 3, school.Data)
	err = within(t, school, "", "master", "capture", "other", "--disk", school.Golden(), "--data", school.Data)
	wantRefusal(t, err, 3, school.Data)
	if out, err := school.Order(t.Context(), "master", "list"); err != nil || !strings.Contains(out, "golden") {
		t.Errorf("the first daemon says %q, %v after the second was refused, want its master", out, err)
	}
}

func TestAnotherPXEServerIsNamed(t *testing.T) {
	school := rig.Golden(t, "rival")
	rival := plug(t, school, "rival", "10.77.0.9")
	laptop := plug(t, school, "laptop", "10.77.0.30")
	stop := startRival(t, school, rival)
	defer stop()
	// A PC asks by PXE; both answer it. That udhcpc then gets no lease worth keeping does not matter.
	out, err := run(t, laptop, "busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-t", "3", "-T", "2", "-s", "/bin/true",
		"-V", "PXEClient:Arch:00007:UNDI:003000", "-x", "0x5d:0007") // option 93: dnsmasq is silent without it
	t.Logf("udhcpc: %v %s", err, out)
	deadline := time.Now().Add(20 * time.Second)
	for {
		said, err := school.Order(t.Context(), "doctor")
		if strings.Contains(said, "10.77.0.9") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("doctor does not name the other PXE server 10.77.0.9: %v\n%s", err, said)
		}
		time.Sleep(time.Second)
	}
}

// startRival runs another proxy-DHCP server, as a forgotten imaging server does.
func startRival(t *testing.T, school *lab.School, space string) (stop func()) {
	t.Helper()
	server, err := lab.StartIn(space, filepath.Join(school.Logs, "rival.log"), "dnsmasq", "--keep-in-foreground",
		"--conf-file=/dev/null", "--user=root", "--port=0", "--interface=eth0", "--bind-interfaces", "--log-dhcp",
		"--log-facility=-", "--pid-file=", "--dhcp-leasefile="+filepath.Join(school.Dir, "rival.leases"),
		"--dhcp-range=10.77.0.0,proxy", "--pxe-service=X86-64_EFI,Rival,rival.efi", "--pxe-service=BC_EFI,Rival,rival.efi",
		"--pxe-service=x86PC,Rival,rival")
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond) // it binds its sockets and says nothing of it
	return server.Kill
}
