package script_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ardoise/ardoise/imaging/agent/script"
	"github.com/ardoise/ardoise/imaging/job"
)

func run(t *testing.T, text string, limit time.Duration, env ...string) script.Ended {
	t.Helper()
	e, err := script.Run(t.Context(), "/bin/sh", script.Program{Text: []byte(text), Env: env, Limit: limit})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestAScriptSaysHowItEnded(t *testing.T) {
	e := run(t, "echo disk $ARDOISE_DISK; echo fault >&2; printf 'a\\033[31mb\\r\\nc\\377d\\n'; exit 3", time.Minute, "ARDOISE_DISK=/dev/vda")
	if e.Exit != 3 || e.Limited || e.Output != "disk /dev/vda\nfault\na[31mb\nc?d\n" {
		t.Errorf("%+v", e)
	}
	if e := run(t, "read x || echo nothing to read; kill -9 $$", time.Minute); e.Exit == 0 && e.Output == "" {
		t.Errorf("%+v", e)
	}
	if _, err := script.Run(t.Context(), "/no/such/shell", script.Program{Limit: time.Minute}); err == nil {
		t.Error("a script runs without a shell")
	}
}

// alive is a file that grows as long as a process of a script lives.
func alive(t *testing.T) (path string, grows func() bool) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "alive")
	size := func() int64 {
		i, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return i.Size()
	}
	return path, func() bool {
		before := size()
		time.Sleep(300 * time.Millisecond)
		return size() != before
	}
}

func TestNothingOfAScriptOutlivesIt(t *testing.T) {
	loop := "setsid sh -c 'while :; do echo x >> %s; sleep 0.05; done' &\nwhile ! test -s %s; do sleep 0.05; done\n"
	path, grows := alive(t)
	if e := run(t, fmt.Sprintf(loop, path, path)+"exit 0", time.Minute); e.Exit != 0 || grows() {
		t.Errorf("a process in a session of its own lives on after the end: %+v", e)
	}
	path, grows = alive(t)
	began := time.Now()
	if e := run(t, fmt.Sprintf(loop, path, path)+"sleep 600", 2*time.Second); !e.Limited || e.Exit != -1 || grows() || time.Since(began) > time.Minute {
		t.Errorf("it lives on after its limit: %+v", e)
	}
	path, grows = alive(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("cancelled")
	go func() {
		for {
			if i, err := os.Stat(path); err == nil && i.Size() > 0 {
				cancel(stop)
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	_, err := script.Run(ctx, "/bin/sh", script.Program{Text: fmt.Appendf(nil, loop+"sleep 600", path, path), Limit: time.Minute})
	if !errors.Is(err, stop) || grows() {
		t.Errorf("it lives on after it was cancelled: %v", err)
	}
}

// Needs root, as the agent has.
func TestMountsOfAScriptGoWithIt(t *testing.T) {
	dir := t.TempDir()
	e := run(t, "mount -t tmpfs none "+dir+" && touch "+dir+"/inside && ls "+dir, time.Minute)
	if e.Exit != 0 || e.Output != "inside\n" {
		t.Fatalf("%+v", e)
	}
	if _, err := os.Stat(filepath.Join(dir, "inside")); err == nil {
		t.Error("what the script has mounted is still there")
	}
}

// Partitions are tried on a virtual PC (integration/orders).
func TestAProtectedDiskIsNotWritten(t *testing.T) {
	image := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(image, make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("/sbin/losetup", "--find", "--show", image).Output()
	if err != nil {
		t.Fatal(err)
	}
	dev := strings.TrimSpace(string(out))
	t.Cleanup(func() { _ = exec.Command("/sbin/losetup", "-d", dev).Run() })
	write := func(to string) int {
		return run(t, "dd if=/dev/urandom of=$ARDOISE_DISK bs=4096 count=1 conv=fsync", time.Minute, "ARDOISE_DISK="+to).Exit
	}
	release := script.Protect(dev)
	if write(dev) == 0 {
		t.Error("it was written")
	}
	release()
	if write(dev) != 0 {
		t.Error("it stays protected")
	}
	script.Protect(image)()
}

func TestOutputIsBounded(t *testing.T) {
	for name, text := range map[string]string{
		"lines":      "echo first; yes 'a line of output' | head -c 5000000; echo last",
		"what hurts": "echo first; yes '<&>' | head -c 5000000; echo last",
		"noise":      "echo first; head -c 3000000 /dev/urandom; echo; echo last",
		"accents":    "echo first; yes 'é' | head -c 3000001; echo; echo last",
		"just so":    "echo first; yes '<<<<<<<<<' | head -c 65000; echo last",
	} {
		e := run(t, text, time.Minute)
		b, err := json.Marshal(e.Output)
		if err != nil || len(e.Output) > job.MaxOutput || len(b) > 192<<10 || !utf8.ValidString(e.Output) {
			t.Errorf("%s: %d bytes, %d as JSON, %v", name, len(e.Output), len(b), err)
		}
		if !strings.HasPrefix(e.Output, "first\n") || !strings.HasSuffix(e.Output, "last\n") {
			t.Errorf("%s: beginning or end is lost", name)
		}
	}
	if e := run(t, "yes é | tr -d '\\n' | head -c 65001 | head -c 65000", time.Minute); strings.Contains(e.Output, "?") {
		t.Error("a character on the border is torn")
	}
}
