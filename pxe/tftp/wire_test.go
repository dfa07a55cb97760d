package tftp_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ardoise/ardoise/pxe/tftp"
)

// client speaks TFTP by hand.
type client struct {
	t    testing.TB
	conn *net.UDPConn
	to   *net.UDPAddr
}

func dial(t testing.TB, port int) *client {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &client{t: t, conn: c, to: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}}
}

func (c *client) send(to *net.UDPAddr, b []byte) {
	c.t.Helper()
	if _, err := c.conn.WriteToUDP(b, to); err != nil {
		c.t.Fatal(err)
	}
}

// read asks for a file; options are names and values in turn.
func (c *client) read(name string, options ...string) {
	words := append([]string{name, "octet"}, options...)
	c.send(c.to, append([]byte{0, 1}, strings.Join(words, "\x00")+"\x00"...))
}

// next waits for a packet: opcode, and all of it; ok is false when none comes within the time.
func (c *client) next(wait time.Duration) (op uint16, b []byte, from *net.UDPAddr, ok bool) {
	c.t.Helper()
	if err := c.conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		c.t.Fatal(err)
	}
	buf := make([]byte, 2048)
	n, from, err := c.conn.ReadFromUDP(buf)
	if err != nil {
		return 0, nil, nil, false
	}
	return binary.BigEndian.Uint16(buf), buf[:n], from, true
}

const (
	opDATA  = 3
	opERROR = 5
	opOACK  = 6
)

func TestTheSizeProbeIsNoTransfer(t *testing.T) {
	done := make(chan string, 10)
	port := start(t, &tftp.Server{Source: table{"shimx64.efi": noise(1000), "next": noise(1)}, Done: func(d tftp.Transfer) {
		done <- d.Name
	}})
	c := dial(t, port)
	// Byte for byte what OVMF 2022.11 sends.
	c.read("shimx64.efi", "tsize", "0", "blksize", "1468", "windowsize", "4")
	op, b, from, ok := c.next(5 * time.Second)
	if !ok || op != opOACK || !bytes.Contains(b, []byte("tsize\x001000\x00")) || bytes.Contains(b, []byte("windowsize")) {
		t.Fatalf("got %d %q", op, b)
	}
	c.send(from, []byte("\x00\x05\x00\x08User aborted the transfer\x00"))
	if got, err := curl(t, port, 512, "next"); err != nil || len(got) != 1 {
		t.Fatalf("after the probe: %d bytes, %v", len(got), err)
	}
	if name := <-done; name != "next" {
		t.Errorf("a transfer of %s was reported, which was only probed", name)
	}
}

// TestAForgedSourceGetsAHandful: whoever never answers gets five packets, not the hundred and fifty of a slow PC.
func TestAForgedSourceGetsAHandful(t *testing.T) {
	t.Parallel()
	var wait sync.WaitGroup
	for name, options := range map[string][]string{
		"without options":      nil,
		"with options":         {"blksize", "1468"},
		"with options as GRUB": {"blksize", "1024", "tsize", "0"},
	} {
		c := dial(t, start(t, &tftp.Server{Source: table{"f": noise(9000)}}))
		c.read("f", options...)
		wait.Go(func() {
			packets := 0
			for ok := true; ok; packets++ {
				_, _, _, ok = c.next(3 * time.Second)
			}
			if packets--; packets != 5 {
				t.Errorf("%s: %d packets", name, packets)
			}
		})
	}
	wait.Wait()
}

// TestAClientThatPausesIsWaitedFor: GRUB takes block 1 of an initrd and answers it seconds later.
func TestAClientThatPausesIsWaitedFor(t *testing.T) {
	t.Parallel()
	c := dial(t, start(t, &tftp.Server{Source: table{"stage1.img": noise(1500)}}))
	c.read("stage1.img", "blksize", "1024", "tsize", "0")
	_, _, from, _ := c.next(5 * time.Second)
	c.send(from, []byte{0, 4, 0, 0})
	for until := time.Now().Add(3 * time.Second); time.Now().Before(until); {
		if op, _, _, ok := c.next(2 * time.Second); !ok || op != opDATA {
			t.Fatalf("the server gave up: %d, %v", op, ok)
		}
	}
	c.send(from, []byte{0, 4, 0, 1})
	for {
		op, b, _, ok := c.next(5 * time.Second)
		if !ok || op != opDATA {
			t.Fatalf("after the pause: %d, %v", op, ok)
		}
		if binary.BigEndian.Uint16(b[2:]) == 2 {
			c.send(from, []byte{0, 4, 0, 2})
			return
		}
	}
}

// TestTheOldestTransferOfASourceGivesWay: a PC that was reset in the middle of a file must get its next one.
func TestTheOldestTransferOfASourceGivesWay(t *testing.T) {
	port := start(t, &tftp.Server{Source: table{"f": noise(5000)}, PerSource: 2})
	for range 6 {
		c := dial(t, port)
		c.read("f")
		_, _, from, ok := c.next(5 * time.Second)
		if !ok {
			t.Fatal("no first block")
		}
		c.send(from, []byte{0, 4, 0, 1}) // it lives, then it is reset
		if op, _, _, ok := c.next(5 * time.Second); !ok || op != opDATA {
			t.Fatalf("second block: %d, %v", op, ok)
		}
	}
	if got, err := curl(t, port, 1468, "f"); err != nil || len(got) != 5000 {
		t.Errorf("the next file: %d bytes, %v", len(got), err)
	}
}

func TestGarbageDoesNotStopTheServer(t *testing.T) {
	port := start(t, &tftp.Server{Source: table{"f": []byte("still here")}})
	c := dial(t, port)
	for _, b := range []string{
		"", "\x00", "\x00\x01", "\x00\x01f", "\x00\x01f\x00", "\x00\x01\x00\x00\x00\x00", "\x00\x03\x00\x01data", "\x00\x04\x00\x01",
		"\x00\x05\x00\x00\x00", "\x00\x06tsize\x00", "\xff\xff\xff\xff", "\x00\x01f\x00octet\x00blksize\x00-1\x00",
		"\x00\x01f\x00octet\x00blksize\x0099999999999999999999\x00", "\x00\x01f\x00octet\x00tsize\x00" + strings.Repeat("9", 400) + "\x00",
		"\x00\x01f\x00\x00tsize\x00" + strings.Repeat("x", 480), "\x00\x01" + strings.Repeat("a\x00", 250),
		"\x00\x01f\x00netascii\x00", "\x00\x01f\x00mail\x00", "\x00\x01" + strings.Repeat("%s%n", 120) + "\x00octet\x00",
	} {
		for range 50 {
			c.send(c.to, []byte(b))
		}
	}
	got, err := curl(t, port, 512, "f")
	for i := 0; err != nil && i < 5; i++ {
		// The flood came from the same address, whose transfers are limited; firmware tries again too.
		time.Sleep(time.Second)
		got, err = curl(t, port, 512, "f")
	}
	if err != nil || string(got) != "still here" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"shimx64.efi": "shimx64.efi", "/grub/grub.cfg": "grub/grub.cfg", "//grubx64.efi": "grubx64.efi", `\grub\grub.cfg`: "grub/grub.cfg",
		"./a/./b": "a/b", "a//b/": "a/b", "": "", "/": "", "..": "", "a/../b": "", `a\..\b`: "", "a\x00b": "", "\u00e9": "", "a\n": "",
		"...": "...", strings.Repeat("a", 128): strings.Repeat("a", 128), strings.Repeat("a", 129): "",
	} {
		if got, ok := tftp.Clean(in); got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v", in, got, ok)
		}
	}
}

// FuzzClean: a clean name is stable, relative, and leads nowhere else.
func FuzzClean(f *testing.F) {
	for _, s := range []string{"shimx64.efi", "/grub/mac-52:54:00:12:34:56.cfg", "//grubx64.efi", `..\..\x`, "a/./b/../c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		name, ok := tftp.Clean(in)
		if !ok {
			if name != "" {
				t.Fatalf("refused, but named %q", name)
			}
			return
		}
		if again, ok := tftp.Clean(name); !ok || again != name {
			t.Fatalf("%q cleans to %q, then to %q", in, name, again)
		}
		for _, part := range strings.Split(name, "/") {
			if part == "" || part == "." || part == ".." {
				t.Fatalf("%q has the part %q", name, part)
			}
		}
	})
}

// A client whose first answer is late asks again from the same port. What it is told then must not end what it reads.
func TestARepeatedRequestDisturbsNothing(t *testing.T) {
	file := noise(20 * 512)
	port := start(t, &tftp.Server{Source: table{"f": file}})
	c := dial(t, port)
	for range 6 { // more than one source may have at once
		c.read("f")
	}
	var got []byte
	var server *net.UDPAddr
	for block := uint16(1); len(got) < len(file); {
		op, b, from, ok := c.next(5 * time.Second)
		switch {
		case !ok:
			t.Fatalf("silence after %d of %d bytes", len(got), len(file))
		case op != opDATA:
			t.Fatalf("packet %d %q after %d bytes", op, b, len(got))
		case server == nil:
			server = from
		case from.Port != server.Port:
			t.Fatalf("a second transfer to the same port, after %d bytes", len(got))
		}
		if binary.BigEndian.Uint16(b[2:]) != block {
			continue // the server's own repetition
		}
		got = append(got, b[4:]...)
		c.send(server, append([]byte{0, 4}, b[2:4]...))
		block++
	}
	if !bytes.Equal(got, file) {
		t.Error("the file arrived altered")
	}
}
