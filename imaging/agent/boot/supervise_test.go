package boot_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/agent/boot"
	"github.com/ardoise/ardoise/imaging/job"
)

// The test program starts itself as supervisor, and that one starts it as agent: reaping every child of this process
// would take those of other tests.
func TestMain(m *testing.M) {
	switch os.Getenv("ARDOISE_TEST_PLAYS") {
	case "supervisor":
		_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
		ending, err := boot.Supervise("/proc/self/exe", []string{"agent"}, []string{"ARDOISE_TEST_PLAYS=" + os.Getenv("ARDOISE_TEST_AGENT")}, nil)
		fmt.Printf("%s|%v|", ending, err)
		var crash *boot.CrashError
		if errors.As(err, &crash) {
			fmt.Printf("%d words", len(crash.Words))
		}
		os.Exit(0)
	case "panic in a goroutine":
		go func() { panic("the disk has vanished") }()
		time.Sleep(time.Minute)
	case "killed":
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		time.Sleep(time.Minute)
	case "leaves orphans":
		for range 20 {
			_ = exec.Command("sh", "-c", "sleep 0.05 & exit 0").Run()
		}
		time.Sleep(200 * time.Millisecond)
		os.Exit(boot.Status(job.EndPowerOff))
	case "disk":
		os.Exit(boot.Status(job.EndDisk))
	case "gives up":
		os.Exit(boot.Status(boot.Restart))
	case "exits without a word":
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestWhateverBecomesOfTheAgentIsTold(t *testing.T) {
	for agent, want := range map[string]string{
		"panic in a goroutine": "restart|panic: the disk has vanished|",
		"killed":               "restart|signal: killed|0 words",
		"leaves orphans":       "poweroff|<nil>|",
		"disk":                 "disk|<nil>|",
		"gives up":             "restart|<nil>|",
		"exits without a word": "restart|exit status 1|0 words",
	} {
		c := exec.Command("/proc/self/exe")
		c.Env = append(os.Environ(), "ARDOISE_TEST_PLAYS=supervisor", "ARDOISE_TEST_AGENT="+agent)
		var out bytes.Buffer
		c.Stdout, c.Stderr = &out, &out
		if err := c.Run(); err != nil || !strings.HasPrefix(out.String(), want) {
			t.Errorf("%s: got %q, %v; want %q", agent, out.String(), err, want)
		}
	}
}
