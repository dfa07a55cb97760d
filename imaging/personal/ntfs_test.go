package personal_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/personal"
)

const answers = personal.AnswerPath

// driven runs do with a volume mounted by ntfs-3g, and returns when the driver has written all.
func driven(t testing.TB, image, options string, do func(dir string)) {
	t.Helper()
	dir := t.TempDir()
	mark := filepath.Join(dir, "not mounted")
	write(t, mark, nil)
	var said bytes.Buffer
	driver := exec.Command("ntfs-3g", "-o", "no_detach,streams_interface=windows,compression"+options, image, dir)
	driver.Stdout, driver.Stderr = &said, &said
	if err := driver.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- driver.Wait() }()
	for {
		if _, err := os.Stat(mark); errors.Is(err, os.ErrNotExist) {
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("ntfs-3g does not mount: %v\n%s", err, &said)
		case <-time.After(5 * time.Millisecond):
		}
	}
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmounting: %v", err)
			_ = syscall.Unmount(dir, syscall.MNT_DETACH)
		}
		if err := <-ended; err != nil {
			t.Errorf("ntfs-3g: %v\n%s", err, &said)
		}
	}()
	do(dir)
}

// windows makes a volume with an answer file of that many bytes.
func windows(t testing.TB, size int, crowd int, args ...string) string {
	t.Helper()
	image := blank(t, 8*mib)
	tool(t, "mkntfs", append(append([]string{"-q", "-Q", "-F"}, args...), image)...)
	driven(t, image, "", func(dir string) {
		write(t, filepath.Join(dir, "Windows/System32/config/kept"), bytes.Repeat([]byte("kept "), 9000))
		write(t, filepath.Join(dir, answers), []byte(strings.Repeat("old answer ", size/11+1)[:size]))
		for i := range crowd {
			write(t, filepath.Join(dir, "Windows/Panther", "a file with a long name, number "+strings.Repeat("x", i%60)+string(rune('a'+i%26))), nil)
		}
	})
	return image
}

func TestAnswerFileOnNTFS(t *testing.T) {
	utf16 := bytes.Repeat([]byte("a\x00\n\x00"), 1500)
	for name, c := range map[string]struct {
		old, crowd int
		content    []byte
		args       []string
	}{
		"in its record, shorter":           {300, 0, bytes.Repeat([]byte("n"), 120), nil},
		"in its record, longer":            {100, 0, bytes.Repeat([]byte("n"), 405), nil},
		"in its record, from nothing":      {0, 0, bytes.Repeat([]byte("n"), 200), nil},
		"in clusters, shorter":             {9000, 0, bytes.Repeat([]byte("new "), 500), nil},
		"in clusters, longer":              {5000, 0, bytes.Repeat([]byte("new "), 2048), nil},
		"in clusters, zeros at the end":    {5000, 0, utf16, nil},
		"clusters of 64 KiB":               {50000, 0, utf16, []string{"-c", "65536"}},
		"clusters of 512 bytes":            {6100, 0, utf16, []string{"-c", "512"}},
		"sectors of 4 KiB":                 {6100, 0, utf16, []string{"-s", "4096"}},
		"a directory that fills blocks":    {900, 150, utf16[:1000], nil},
		"a directory, its record, longer":  {100, 150, utf16[:404], []string{"-c", "512"}},
		"in clusters, the same in content": {11, 0, []byte("old answer "), nil},
	} {
		t.Run(name, func(t *testing.T) {
			m := captured(t, windows(t, c.old, c.crowd, c.args...), "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7")
			exceptions, skipped := m.plan(t, personal.Values{Hostname: "linux-only", Answer: personal.AnswerFile{
				Path: "windows/panther/UNATTEND.XML", Content: c.content}})
			if len(skipped) > 0 {
				t.Errorf("skipped %+v", skipped)
			}
			if same := name == "in clusters, the same in content"; same != (len(exceptions) == 0) {
				t.Errorf("%d exceptions", len(exceptions))
			}
			part := m.restored(t, exceptions)
			if out := tool(t, "ntfsfix", "-n", part); !strings.Contains(out, "processed successfully") {
				t.Error(out)
			}
			tool(t, "ntfsinfo", "-m", part)
			driven(t, part, ",ro", func(dir string) {
				wants(t, dir, map[string]string{answers: string(c.content),
					"Windows/System32/config/kept": strings.Repeat("kept ", 9000)})
			})
			// A journey of the driver that writes: what it finds of our file it must be able to change.
			driven(t, part, "", func(dir string) {
				write(t, filepath.Join(dir, answers), []byte(strings.Repeat("again", 5000)))
				wants(t, dir, map[string]string{answers: strings.Repeat("again", 5000)})
			})
		})
	}
}

func TestWindowsTakesItsNameFromAnAnswerFile(t *testing.T) {
	m := captured(t, windows(t, 300, 0), "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7")
	exceptions, skipped := m.plan(t, values())
	if len(exceptions) > 0 || len(skipped) != 1 || !strings.Contains(skipped[0].Why, "Windows takes its name from an answer file") {
		t.Errorf("%d exceptions, skipped %+v", len(exceptions), skipped)
	}
	_, skipped = m.plan(t, personal.Values{Answer: personal.AnswerFile{Path: "Windows/other.xml", Content: []byte("<a/>")}})
	if len(skipped) != 1 || skipped[0].Path != "Windows/other.xml" || !strings.Contains(skipped[0].Hint, "at least 4 bytes") {
		t.Errorf("skipped %+v", skipped)
	}
}
