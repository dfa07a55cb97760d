package main

import (
	"os"
	"strconv"
	"strings"
)

// udpcastSend are the flags that FOG and Clonezilla give udp-sender on a network of one switch: full duplex, no keyboard,
// start when all are there.
func udpcastSend() []string { return []string{"--full-duplex", "--nokbd", "--interface", "eth0"} }

// udpcastReceive are those of udp-receiver.
func udpcastReceive() []string { return []string{"--nokbd", "--interface", "eth0"} }

// udpcastWords says the command lines.
func udpcastWords() string {
	return "udp-sender --min-receivers N " + strings.Join(udpcastSend(), " ") + " --file MASTER; udp-receiver " +
		strings.Join(udpcastReceive(), " ") + " --file DISK"
}

// udpcast sends the disk as a file.
func udpcast() *system {
	return &system{
		name: "udpcast",
		send: func(t *take) []string {
			return append([]string{"udp-sender", "--min-receivers", strconv.Itoa(t.scene.punctual()), "--file",
				t.image.disks[t.scene.version()]}, udpcastSend()...)
		},
		receive: func(_ *take, disk string) []string {
			return append([]string{"udp-receiver", "--file", disk}, udpcastReceive()...)
		},
		disk: func(_ *take, path string) error {
			err := os.Remove(path) // it makes the file itself
			if os.IsNotExist(err) {
				return nil
			}
			return err
		},
		// its words of control are a few dozen bytes, a packet with data has a header of 16
		carries: func(payload []byte) bool { return len(payload) > 1000 },
	}
}
