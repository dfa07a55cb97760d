package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Run starts a program in a namespace of the room; standard output and standard error go where they are told to. It dies
// with us.
func (r *Room) Run(space string, out, complaints io.Writer, args ...string) (*Process, error) {
	name := filepath.Base(args[0])
	if r.apart() && space == r.Server() {
		// No PC takes a server its processor; and Go would count those that a program is kept to.
		args = append([]string{"env", fmt.Sprintf("GOMAXPROCS=%d", runtime.NumCPU()), "nice", "-n", "-15",
			"taskset", "-c", fmt.Sprintf("0-%d", runtime.NumCPU()-2)}, args...)
	}
	return startApart(name, space, out, complaints, args...)
}

// LosePC makes a PC lose that share of the IP packets that come to it, in hundredths of a percent; 0 stops it. They are
// lost behind the switch's queue, as by a bad cable, each by its own lot: PCs lose independently of each other.
func (r *Room) LosePC(ctx context.Context, i, basisPoints int) error {
	rules := "table netdev loss\ndelete table netdev loss\n"
	if basisPoints > 0 {
		unlucky := fmt.Sprintf("numgen random mod 10000 < %d ", basisPoints)
		if basisPoints >= 10000 {
			unlucky = "" // numgen cannot compare with its own modulus
		}
		rules += "table netdev loss {\nchain in {\ntype filter hook ingress device \"eth0\" priority 0; policy accept;\n" +
			"ether type ip counter\n" + "ether type ip " + unlucky + "counter drop\n}\n}\n"
	}
	return r.nft(ctx, r.PC(i), rules)
}

// Lost tells how many IP packets came to a PC since LosePC, and how many of those were lost.
func (r *Room) Lost(ctx context.Context, i int) (came, lost int64, err error) {
	text, err := command(ctx, "ip", "netns", "exec", r.PC(i), "nft", "list", "table", "netdev", "loss")
	if err != nil {
		return 0, 0, err
	}
	var counts []int64
	words := strings.Fields(text)
	for k, word := range words {
		if word == "packets" && k+1 < len(words) {
			n, err := strconv.ParseInt(words[k+1], 10, 64)
			if err != nil {
				return 0, 0, fmt.Errorf("reading the count of lost packets: %w", err)
			}
			counts = append(counts, n)
		}
	}
	if len(counts) != 2 {
		return 0, 0, fmt.Errorf("nft tells %d counts where two were asked for: %s", len(counts), text)
	}
	return counts[0], counts[1], nil
}

// EatMulticast makes the switch drop all multicast towards the given PCs; with none it stops that.
func (r *Room) EatMulticast(ctx context.Context, pcs ...int) error {
	rules := "table bridge eat\ndelete table bridge eat\n"
	if len(pcs) > 0 {
		rules += "table bridge eat {\nchain f {\ntype filter hook forward priority 0; policy accept;\n"
		for _, i := range pcs {
			rules += fmt.Sprintf("oifname \"p-%s\" ip daddr 224.0.0.0/4 counter drop\n", pcPort(i))
		}
		rules += "}\n}\n"
	}
	return r.nft(ctx, r.Switch(), rules)
}

func (r *Room) nft(ctx context.Context, space, rules string) error {
	file, err := os.CreateTemp(r.Dir, "*.nft")
	if err != nil {
		return err
	}
	_, err = file.WriteString(rules)
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	_, err = command(ctx, "ip", "netns", "exec", space, "nft", "-f", file.Name())
	return errors.Join(err, os.Remove(file.Name()))
}

// Counter reads how much a station has sent: what its port of the switch counted.
type Counter struct {
	file *os.File
	port string
}

// CountServer opens the counter of the server's port. Close it.
func (r *Room) CountServer() (*Counter, error) {
	c := &Counter{port: "p-srv"}
	err := Inside(r.Switch(), func() error {
		var err error
		// An open file belongs to the namespace that it was opened in, whoever reads it
		c.file, err = os.Open("/proc/thread-self/net/dev")
		return err
	})
	return c, err
}

// Close ends the counting.
func (c *Counter) Close() error { return c.file.Close() }

// Bytes is what has come into the switch so far, Ethernet headers included, check sums and gaps not.
func (c *Counter) Bytes() (int64, error) {
	if _, err := c.file.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(c.file)
	for lines.Scan() {
		name, columns, ok := strings.Cut(lines.Text(), ":")
		if !ok || strings.TrimSpace(name) != c.port {
			continue
		}
		first, _, _ := strings.Cut(strings.TrimSpace(columns), " ")
		return strconv.ParseInt(first, 10, 64)
	}
	return 0, errors.Join(lines.Err(), fmt.Errorf("the switch has no port %s", c.port))
}

// Datagram is a UDP packet that was seen on its way.
type Datagram struct {
	At       time.Time
	From, To *net.UDPAddr
	Payload  []byte // valid until seen returns
}

// WatchServer shows what the server sends over UDP with at least shortest bytes of payload, as the switch gets it, until
// seen says that it wants no more or ctx is over. It returns once it watches; done is closed when it has ended.
func (r *Room) WatchServer(ctx context.Context, shortest int, seen func(Datagram) (more bool)) (done <-chan struct{}, err error) {
	return watch(ctx, r.Switch(), "p-srv", shortest, seen)
}

// Watch does it from a station of the room, for what the switch sends there.
func (r *Room) Watch(ctx context.Context, name string, shortest int, seen func(Datagram) (more bool)) (done <-chan struct{}, err error) {
	return watch(ctx, r.id+"-"+name, "eth0", shortest, seen)
}

// headers is what an Ethernet frame has before the payload of UDP over IPv4 without options.
const headers = 14 + 20 + 8

func watch(ctx context.Context, space, device string, shortest int, seen func(Datagram) bool) (<-chan struct{}, error) {
	filter, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtType}, // what a switch sends to the server's port has perhaps taken its address
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.PACKET_OUTGOING, SkipTrue: 11},
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: uint32(headers + shortest), SkipTrue: 9},
		bpf.LoadAbsolute{Off: 12, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.ETH_P_IP, SkipTrue: 7},
		bpf.LoadAbsolute{Off: 14, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0x45, SkipTrue: 5},
		bpf.LoadAbsolute{Off: 23, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_UDP, SkipTrue: 3},
		bpf.LoadAbsolute{Off: 26, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: serverWord(), SkipTrue: 1},
		bpf.RetConstant{Val: 2048},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		return nil, err
	}
	var conn *packet.Conn
	err = Inside(space, func() error {
		i, err := net.InterfaceByName(device)
		if err == nil {
			// A bridge takes its ports' frames away before sockets of one kind of frame see them
			conn, err = packet.Listen(i, packet.Raw, unix.ETH_P_ALL, &packet.Config{Filter: filter})
		}
		return err
	})
	if err == nil {
		err = deepen(conn)
	}
	if err != nil {
		return nil, fmt.Errorf("watching %s: %w", device, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) }) // wakes the reader
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer stop()
		defer func() { _ = conn.Close() }() // it was only read from
		frame := make([]byte, 2048)
		for {
			n, _, err := conn.ReadFrom(frame)
			if err != nil || n < headers {
				return
			}
			from := &net.UDPAddr{IP: append(net.IP(nil), frame[26:30]...), Port: int(frame[34])<<8 | int(frame[35])}
			to := &net.UDPAddr{IP: append(net.IP(nil), frame[30:34]...), Port: int(frame[36])<<8 | int(frame[37])}
			if !seen(Datagram{At: time.Now(), From: from, To: to, Payload: frame[headers:n]}) {
				return
			}
		}
	}()
	return done, nil
}

// deepen lets a burst wait until it is read: the usual buffer holds some ninety full packets (observed).
func deepen(conn *packet.Conn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	err = raw.Control(func(fd uintptr) {
		inner = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20)
	})
	return errors.Join(err, inner)
}

// serverWord is the server's address as a filter compares it.
func serverWord() uint32 {
	a := net.ParseIP(RoomAddress).To4()
	return uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3])
}
