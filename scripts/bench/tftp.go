package main

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/ardoise/ardoise/integration/lab"
	"github.com/ardoise/ardoise/pxe/tftp"
)

// Transfer is one file fetched by TFTP.
type Transfer struct {
	Server  string  `json:"server"`
	Client  string  `json:"client"`
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"` // median
	Rounds  int     `json:"rounds"`
}

// rounds is how often each transfer is measured; servers take turns, so that both see the same machine.
const rounds = 15

// size is 16 MiB, in blocks of 1468 bytes: what fits an Ethernet frame.
const size = 16 << 20

// transfers measures our TFTP server against tftpd-hpa, each in a namespace of its own on the same switch.
func transfers(ctx context.Context, school *lab.School, result *Result) error {
	client, err := school.Plug(ctx, "tftp-client", "10.77.0.20")
	if err != nil {
		return err
	}
	hpa, err := school.Plug(ctx, "tftp-hpa", "10.77.0.21")
	if err != nil {
		return err
	}
	ours, err := school.Plug(ctx, "tftp-ours", "10.77.0.22")
	if err != nil {
		return err
	}
	folder, err := tftpFolder(school)
	if err != nil {
		return err
	}
	stop, err := startServers(school, hpa, ours, folder)
	if err != nil {
		return err
	}
	defer stop()
	seconds := map[string][]float64{}
	for range rounds {
		for server, address := range map[string]string{"ardoise": "10.77.0.22", "tftpd-hpa": "10.77.0.21"} {
			took, err := fetch(ctx, client, address)
			if err != nil {
				return fmt.Errorf("fetching from %s: %w", server, err)
			}
			seconds[server] = append(seconds[server], took)
		}
	}
	fmt.Printf("\n%-24s %12s %12s\n", "tftp, 16 MiB, curl", "median", "rate")
	for _, server := range []string{"ardoise", "tftpd-hpa"} {
		slices.Sort(seconds[server])
		median := seconds[server][rounds/2]
		result.TFTP = append(result.TFTP, Transfer{server, "curl --tftp-blksize 1468", size, median, rounds})
		fmt.Printf("%-24s %10.3f s %7.1f MB/s\n", server, median, size/1e6/median)
	}
	if a, b := result.TFTP[0].Seconds, result.TFTP[1].Seconds; a > b {
		result.Missed = append(result.Missed, fmt.Sprintf("TFTP took %.3f s, tftpd-hpa %.3f s", a, b))
	}
	return nil
}

// tftpFolder makes a folder with the file to fetch; its content does not repeat, as that of kernels.
func tftpFolder(school *lab.School) (string, error) {
	folder := filepath.Join(school.Dir, "tftp")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	content := make([]byte, size)
	for i := range content {
		content[i] = byte(i * i >> 7)
	}
	return folder, os.WriteFile(filepath.Join(folder, "16M"), content, 0o644)
}

// startServers starts both servers.
func startServers(school *lab.School, hpa, ours, folder string) (stop func(), err error) {
	// tftpd-hpa drops its rights to "tftp", which must be able to reach the folder.
	if err := os.Chmod(school.Dir, 0o711); err != nil {
		return nil, err
	}
	a, err := lab.StartIn(hpa, filepath.Join(school.Logs, "tftpd-hpa.log"),
		"in.tftpd", "--foreground", "--listen", "--address", "10.77.0.21:69", "--secure", folder)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		a.Kill()
		return nil, err
	}
	b, err := lab.StartIn(ours, filepath.Join(school.Logs, "tftp-ours.log"), self, "-serve-tftp", folder)
	if err != nil {
		a.Kill()
		return nil, err
	}
	time.Sleep(time.Second) // both bind at once and say nothing of it
	return func() { a.Kill(); b.Kill() }, nil
}

// fetch measures one transfer.
func fetch(ctx context.Context, space, address string) (seconds float64, err error) {
	began := time.Now()
	out, err := exec.CommandContext(ctx, "ip", "netns", "exec", space, "curl", "--silent", "--show-error",
		"--tftp-blksize", "1468", "--output", "/dev/null", "tftp://"+address+"/16M").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("curl: %w: %s", err, out)
	}
	return time.Since(began).Seconds(), nil
}

// heldSource serves one file from memory, as the daemon does: it reads its boot files when they change, not at each request.
type heldSource struct {
	name    string
	content []byte
}

// File implements tftp.Source.
func (h heldSource) File(_ context.Context, name string, _ tftp.Peer) ([]byte, error) {
	if name != h.name {
		return nil, fs.ErrNotExist
	}
	return h.content, nil
}

// serveFolder runs our TFTP server until the context ends.
func serveFolder(ctx context.Context, folder string) error {
	content, err := os.ReadFile(filepath.Join(folder, "16M"))
	if err != nil {
		return err
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{Port: 69})
	if err != nil {
		return err
	}
	return (&tftp.Server{Source: heldSource{"16M", content}}).Serve(ctx, conn)
}
