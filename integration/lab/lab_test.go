package lab_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/integration/lab"
)

// abandonVariable makes this test binary raise a school, say its folder and wait to be killed.
const abandonVariable = "ARDOISE_LAB_ABANDON"

func TestMain(m *testing.M) {
	if logs := os.Getenv(abandonVariable); logs != "" {
		s, err := lab.Open(context.Background(), lab.Options{Logs: logs})
		if err != nil {
			os.Stdout.WriteString("error " + err.Error() + "\n")
			os.Exit(1)
		}
		os.Stdout.WriteString(s.Switch() + "\n")
		time.Sleep(time.Hour)
	}
	os.Exit(m.Run())
}

// What a killed run leaves must go with the next run, or names and memory of the machine fill up.
func TestNextRunSweepsWhatAKilledRunLeft(t *testing.T) {
	needRoot(t)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), abandonVariable+"="+filepath.Join(t.TempDir(), "abandoned"))
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 200)
	n, err := out.Read(said)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimSpace(string(said[:n]))
	if !exists("/run/netns/" + name) {
		t.Fatalf("the abandoned school said %q, and there is no such namespace", name)
	}
	if err := lab.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !exists("/run/netns/" + name) {
		t.Fatal("a school whose process lives was swept away")
	}
	_ = child.Process.Kill()
	_ = child.Wait() // it was killed: that is no news
	if err := lab.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	school := strings.TrimSuffix(name, "-sw")
	for _, left := range []string{"/run/netns/" + name, "/run/netns/" + school + "-srv", filepath.Join(os.TempDir(), school)} {
		if exists(left) {
			t.Errorf("%s is left", left)
		}
	}
}

// The lab must lose packets when told to, else every test under loss proves nothing.
func TestSwitchLosesPacketsWhenTold(t *testing.T) {
	needRoot(t)
	s, err := lab.Open(t.Context(), lab.Options{Logs: filepath.Join(t.TempDir(), "logs")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	ping := func() bool {
		return exec.CommandContext(t.Context(), "ip", "netns", "exec", s.ServerSpace(),
			"busybox", "ping", "-c", "1", "-W", "1", lab.AddressDHCP).Run() == nil
	}
	if !ping() {
		t.Error("the server does not reach the DHCP server")
	}
	if err := s.Lose(t.Context(), 10000); err != nil {
		t.Fatal(err)
	}
	if ping() {
		t.Error("a ping came back although every packet is lost")
	}
	if err := s.Lose(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if !ping() {
		t.Error("the server does not reach the DHCP server after the loss has ended")
	}
}

// needRoot ends a test that cannot work: `make test` runs as root.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("network namespaces need root: run `make test` as root or through sudo")
	}
}

// exists tells whether a path exists.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
