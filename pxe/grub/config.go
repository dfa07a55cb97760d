package grub

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Transport is a way for GRUB to fetch a file.
type Transport string

// The transports.
const (
	HTTP Transport = "http"
	TFTP Transport = "tftp"
)

// Names of the files, as served.
const (
	Kernel  = "vmlinuz"
	Initrd  = "stage1.img"
	Main    = "grub/grub.cfg"
	prefix  = "grub/mac-"
	postfix = ".cfg"
)

// Loaders are the disk's own loaders in the order they are looked for: those of an installed system first, the
// removable path last, which may also be that of a forgotten stick.
func Loaders() []string {
	return []string{
		"/EFI/debian/shimx64.efi",
		"/EFI/ubuntu/shimx64.efi",
		"/EFI/fedora/shimx64.efi",
		"/EFI/opensuse/shim.efi",
		"/EFI/debian/grubx64.efi",
		"/EFI/ubuntu/grubx64.efi",
		"/EFI/Microsoft/Boot/bootmgfw.efi",
		"/EFI/BOOT/BOOTX64.EFI",
	}
}

// ArgumentError names a kernel argument that cannot be written into a configuration.
type ArgumentError struct {
	Argument string
}

// Error implements error.
func (e *ArgumentError) Error() string {
	return fmt.Sprintf("kernel argument %q cannot be quoted", e.Argument)
}

// plain are the bytes that mean nothing to GRUB's parser.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.,:/=+@%"

// Quote writes a word so that GRUB's script parser takes it as it is. It returns *ArgumentError for one with control
// characters, other bytes than ASCII, or a single quote, which GRUB has no way to put between single quotes.
func Quote(word string) (string, error) {
	if word != "" && strings.Trim(word, plain) == "" {
		return word, nil
	}
	for _, c := range []byte(word) {
		if c < 0x20 || c >= 0x7f || c == '\'' {
			return "", &ArgumentError{Argument: word}
		}
	}
	return "'" + word + "'", nil
}

// MAC reads the MAC out of a per-PC configuration's name; ok is false for any other name, and for an address that no network
// card has: one of a group (IEEE 802, the lowest bit of the first byte), or none at all.
func MAC(name string) (mac net.HardwareAddr, ok bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return nil, false
	}
	rest, ok = strings.CutSuffix(rest, postfix)
	if !ok || len(rest) != 17 {
		return nil, false
	}
	mac, err := net.ParseMAC(rest)
	if err != nil || len(mac) != 6 || mac[0]&1 != 0 || [6]byte(mac) == [6]byte{} {
		return nil, false
	}
	return mac, true
}

// ending keeps GRUB from its shell: it says what happened, and starts the PC anew.
const ending = `
echo ''
echo "Ardoise: $1"
echo 'Redemarrage dans 20 secondes / restarting in 20 seconds'
sleep 20
reboot
`

// ended is the ending with its sentence.
func ended(sentence string) string { return strings.ReplaceAll(ending, "$1", sentence) }

// Common is the configuration that every PC reads first.
func Common() string {
	return `# Ardoise: everybody's first configuration.
set superusers=nobody
export superusers
set timeout=0
set pager=0
source "$prefix/mac-$net_default_mac.cfg"
if [ -z "$ready" ]; then
` + ended("le serveur n'a pas repondu / the server did not answer") + "fi\n"
}

// Agent describes the start of the agent.
type Agent struct {
	Server    netip.Addr
	HTTPPort  uint16
	BIOS      []Transport // in order of trying, for GRUB on BIOS
	UEFI      []Transport // the same on UEFI
	Arguments []string    // of the kernel; ardoise.mac is added from GRUB's own knowledge
}

// Config is the configuration of a PC that is to start the agent.
func (a Agent) Config() (string, error) {
	words := make([]string, 0, len(a.Arguments)+1)
	for _, arg := range a.Arguments {
		w, err := Quote(arg)
		if err != nil {
			return "", err
		}
		words = append(words, w)
	}
	// GRUB knows the card it came by; a PC with two cards must not guess.
	words = append(words, `"ardoise.mac=$net_default_mac"`)
	arguments := strings.Join(words, " ")
	text := "# Ardoise: start the agent.\nif [ \"$grub_platform\" = pc ]; then\n" + a.tries(a.BIOS, arguments) +
		"else\n" + a.tries(a.UEFI, arguments) + "fi\n"
	return text + ended("le noyau n'a pas pu etre charge / the kernel could not be loaded"), nil
}

// tries is one attempt to start the agent for each transport.
func (a Agent) tries(order []Transport, arguments string) string {
	var b strings.Builder
	for _, t := range order {
		device := fmt.Sprintf("(tftp,%v)", a.Server)
		if t == HTTP {
			device = fmt.Sprintf("(http,%v:%d)", a.Server, a.HTTPPort)
		}
		fmt.Fprintf(&b, "  if linux %s/%s %s; then\n    if initrd %s/%s; then\n      boot\n    fi\n  fi\n",
			device, Kernel, arguments, device, Initrd)
	}
	return b.String()
}

// Disk is the configuration of a PC that is to start its own disk.
//
// BIOS: the boot sector of the first disk. UEFI: the first loader found; root must be set to its partition, or the
// loader takes the network card for the device it came from. "exit" is no way out on UEFI: it ends in firmware setup.
func Disk() string {
	var b strings.Builder
	b.WriteString("# Ardoise: start the disk.\n")
	b.WriteString("if [ \"$grub_platform\" = pc ]; then\n  set root=(hd0)\n  if chainloader +1; then\n    boot\n  fi\n  exit\nfi\n")
	for _, l := range Loaders() {
		fmt.Fprintf(&b, "if search --no-floppy --file --set=root %s; then\n  if chainloader %s; then\n    boot\n  fi\nfi\n", l, l)
	}
	b.WriteString(ended("aucun systeme sur ce disque / no system on this disk"))
	return b.String()
}
