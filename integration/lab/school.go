package lab

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The addresses of the school.
const (
	AddressDHCP   = "10.77.0.1"
	AddressServer = "10.77.0.2"
	Subnet        = "10.77.0.0/24"
)

// prefix starts the name of every namespace and folder of a school; the process id and a random part follow.
const prefix = "ardoise-lab-"

// Options shape a school. Zero values are usable.
type Options struct {
	Checkout string // folder of the checkout; "" to look for go.mod upwards from the working directory
	Logs     string // folder for the logs of daemon, DHCP server and PCs; "" for build/lab/school
}

// School is a switch with a DHCP server, a daemon and PCs. Its methods may be called from several goroutines.
type School struct {
	Checkout string // folder of the checkout
	Logs     string // folder of all logs
	Dir      string // temporary folder: disks, firmware variables, the daemon's data
	Data     string // the daemon's data folder

	id string

	mu     sync.Mutex
	taps   int
	pcs    []*PC
	dhcp   *Process
	daemon *Process
	files  []*os.File
}

// Open raises a school with its switch and its DHCP server, and sweeps what dead runs left. Close ends it.
func Open(ctx context.Context, o Options) (*School, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("network namespaces need root: run it through sudo")
	}
	if err := Sweep(ctx); err != nil {
		return nil, err
	}
	s := &School{Checkout: o.Checkout, Logs: o.Logs, id: newID()}
	if err := s.folders(); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{s.raiseSwitch, s.startDHCP} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// newID makes the part of all names that belongs to one school.
func newID() string {
	random := make([]byte, 3)
	_, _ = rand.Read(random) // it never returns an error
	return fmt.Sprintf("%s%d-%s", prefix, os.Getpid(), hex.EncodeToString(random))
}

// folders finds the checkout and makes the folders of the school.
func (s *School) folders() error {
	var err error
	if s.Checkout == "" {
		if s.Checkout, err = checkout(); err != nil {
			return err
		}
	}
	if s.Logs == "" {
		s.Logs = filepath.Join(s.Checkout, "build", "lab", "school")
	}
	if err := os.RemoveAll(s.Logs); err != nil {
		return err
	}
	if err := os.MkdirAll(s.Logs, 0o755); err != nil {
		return err
	}
	s.Dir = filepath.Join(os.TempDir(), s.id)
	s.Data = filepath.Join(s.Dir, "data")
	return os.MkdirAll(s.Dir, 0o700)
}

// checkout looks for the folder of go.mod from the working directory upwards.
func checkout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the working directory: run it inside the checkout")
		}
		dir = parent
	}
}

// Close switches the PCs off, ends daemon and DHCP server, and removes namespaces and temporary files. Logs stay.
func (s *School) Close() error {
	s.mu.Lock()
	pcs, daemon, dhcp, files := s.pcs, s.daemon, s.dhcp, s.files
	s.mu.Unlock()

	for _, pc := range pcs {
		pc.PowerCut()
	}
	err := daemon.Stop(10 * time.Second)
	dhcp.Kill()
	for _, f := range files {
		err = errors.Join(err, f.Close())
	}
	// Not the caller's context: it is often over when a school ends.
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return errors.Join(err, removeNamespaces(ctx, s.id), os.RemoveAll(s.Dir))
}

// logFile creates a file among the logs, open until the school ends.
func (s *School) logFile(name string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(s.Logs, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.files = append(s.files, f)
	s.mu.Unlock()
	return f, nil
}

// Sweep removes what schools of dead processes left: their namespaces, with whatever still runs inside, and folders.
func Sweep(ctx context.Context) error {
	ids := map[string]bool{}
	for _, dir := range []string{"/run/netns", os.TempDir(), memory} {
		pattern := filepath.Join(dir, prefix+"*")
		found, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		for _, path := range found {
			if id, pid, ok := parseID(filepath.Base(path)); ok && !alive(pid) {
				ids[id] = true
			}
		}
	}
	var errs error
	for id := range ids {
		errs = errors.Join(errs, removeNamespaces(ctx, id), os.RemoveAll(filepath.Join(os.TempDir(), id)),
			os.RemoveAll(filepath.Join(memory, id)))
	}
	return errs
}

// parseID takes a name of ours apart: "ardoise-lab-PID-xxxxxx" with anything behind.
func parseID(name string) (id string, pid int, ok bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return "", 0, false
	}
	parts := strings.SplitN(rest, "-", 3)
	if len(parts) < 2 || len(parts[1]) != 6 {
		return "", 0, false
	}
	pid, err := strconv.Atoi(parts[0])
	if err != nil || pid <= 1 {
		return "", 0, false
	}
	return prefix + parts[0] + "-" + parts[1], pid, true
}
