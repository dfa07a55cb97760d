package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/integration/lab"
)

// oursName is what the table calls us.
const oursName = "ardoise"

// port is where the session's control channel listens.
const port = "7443"

// oursSend are the flags of our sender beside those that name files.
func oursSend() []string {
	return []string{"--interface", "eth0", "--listen", ":" + port, "--hold-off", "20s", "--linger", "2s", "--json"}
}

// ourWords says the command lines.
func ourWords() string {
	return "ardoise session send NAME --computers N " + strings.Join(oursSend(), " ") +
		" --data DIR --key FILE; ardoise session receive --disk DISK --interface eth0 --server HOST:" + port + " --key FILE --json"
}

// ours sends the master by a session.
func (b *bench) ours() *system {
	return &system{
		name: oursName,
		send: func(t *take) []string {
			args := append([]string{b.ardoise, "session", "send", fmt.Sprintf("%s@%d", master, t.scene.version()),
				"--data", t.image.data, "--key", t.image.key, "--computers", strconv.Itoa(t.scene.punctual())}, oursSend()...)
			if t.scene.Rate > 0 {
				args = append(args, "--rate", strconv.Itoa(t.scene.Rate))
			}
			return args
		},
		receive: func(t *take, disk string) []string {
			return []string{b.ardoise, "session", "receive", "--disk", disk, "--interface", "eth0", "--server",
				lab.RoomAddress + ":" + port, "--key", t.image.key, "--json"}
		},
		disk: func(t *take, path string) error {
			if t.scene.Upgrade {
				return copyFile(t.image.disks[1], path)
			}
			return emptyDisk(path, t.image.size())
		},
		carries: func(payload []byte) bool { // generation 0 are manifests, which wait for nobody
			h, err := wire.Parse(payload)
			return err == nil && h.Kind != wire.KindProbe && h.Generation > 0
		},
	}
}

// emptyDisk makes a disk of zeros that takes no memory yet.
func emptyDisk(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = f.Truncate(size)
	if closing := f.Close(); err == nil {
		err = closing
	}
	return err
}
