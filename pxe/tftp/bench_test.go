package tftp_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/pxe/tftp"
)

// BenchmarkBesideTFTPDHPA fetches 16 MiB in blocks of 1,468 with curl from us and from tftpd-hpa in turn, and reports the
// median rates and their ratio: 1 or more means that we are at least as fast. It needs root, for tftpd-hpa's chroot.
func BenchmarkBesideTFTPDHPA(b *testing.B) {
	if os.Getuid() != 0 {
		b.Skip("needs root: tftpd-hpa changes its root folder")
	}
	content := noise(16 << 20)
	root := b.TempDir()
	if err := os.WriteFile(filepath.Join(root, "f"), content, 0o644); err != nil {
		b.Fatal(err)
	}
	if err := os.Chmod(root, 0o755); err != nil {
		b.Fatal(err)
	}
	const theirs = 6969
	daemon := exec.Command("in.tftpd", "--listen", "--foreground", "--user", "root", "--address", fmt.Sprintf("127.0.0.1:%d", theirs), "--secure", root)
	if err := daemon.Start(); err != nil {
		b.Fatal(err)
	}
	defer daemon.Wait()
	defer daemon.Process.Kill()
	ours := start(b, &tftp.Server{Source: table{"f": content}})
	var us, them []float64
	fetch(b, theirs, 5*time.Second)
	for b.Loop() {
		us = append(us, fetch(b, ours, 0))
		them = append(them, fetch(b, theirs, 0))
	}
	slices.Sort(us)
	slices.Sort(them)
	u, h := us[len(us)/2], them[len(them)/2]
	b.ReportMetric(u/1e6, "ardoise-MB/s")
	b.ReportMetric(h/1e6, "tftpd-hpa-MB/s")
	b.ReportMetric(u/h, "ratio")
}

// fetch returns the rate in bytes a second; it tries again for a while, for a server that is just starting.
func fetch(b *testing.B, port int, patience time.Duration) float64 {
	b.Helper()
	for end := time.Now().Add(patience); ; {
		out, err := exec.Command("curl", "-s", "--max-time", "60", "--tftp-blksize", "1468", "-o", os.DevNull, "-w", "%{size_download} %{time_total}",
			fmt.Sprintf("tftp://127.0.0.1:%d/f", port)).Output()
		size, seconds, _ := strings.Cut(string(out), " ")
		s, err2 := strconv.ParseFloat(seconds, 64)
		if err == nil && err2 == nil && size == strconv.Itoa(16<<20) && s > 0 {
			return (16 << 20) / s
		}
		if time.Now().After(end) {
			b.Fatalf("port %d: %v: %s", port, err, out)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
