package grub

import (
	"fmt"
	"net"
	"slices"
	"strings"
)

// DiskConfig is the name among the boot files of what GRUB reads first when it starts from ARDOISE.
const DiskConfig = "grub.cfg"

// MenuOptions describes the start menu of one computer.
type MenuOptions struct {
	Language   string   // "en", or French
	Reset      bool     // going back to the master is offered
	ResetFirst bool     // and it is what happens when nobody touches a key
	Passphrase []string // lines of HashPassphrase; nil: the technician's entries are absent
	Arguments  []string // of the agent's kernel: ardoise.server=, ardoise.ca= and what the daemon was told
	Loaders    []string // UEFI: the master's own, "/EFI/debian/shimx64.efi"; they are tried before Loaders()
}

// LocalOptions describes the menu for a start from ARDOISE.
type LocalOptions struct {
	MenuOptions
	MAC string // of the card that the agent shall use, since GRUB has no network there; "": the agent looks for itself
}

// NetworkOptions describes the menu for a start from the network.
type NetworkOptions struct {
	MenuOptions
	Agent Agent // how kernel and stage one are fetched; its Arguments are the menu's
}

// Seconds until the default entry starts. Any key stops them.
const menuSeconds = 5

// DiskCommon is what GRUB reads first when it starts from ARDOISE: it goes on with the menu of the generation that
// counts (0: none is wanted), else with any menu there is, else it starts the disk.
func DiskCommon() string {
	return `# Ardoise: the first configuration of a start from the disk.
set superusers=nobody
export superusers
set pager=0
set gen=A
load_env -f /ARDOISE/GEN gen
if [ "$gen" != 0 ]; then
  for g in "$gen" A B; do
    if [ -z "$ready" -a -f "/ARDOISE/$g/MENU.CFG" ]; then
      set gen="$g"
      source "/ARDOISE/$g/MENU.CFG"
    fi
  done
fi
if [ -z "$ready" ]; then
` + startLocal(Loaders()) + ended("aucun systeme sur ce disque / no system on this disk") + "fi\n"
}

// LocalMenu is the menu of a computer that starts from ARDOISE. It returns *ArgumentError for what cannot be quoted.
func LocalMenu(o LocalOptions) (string, error) {
	loaders, err := o.loaders()
	if err != nil {
		return "", err
	}
	more := []string{"ardoise.origin=disk"}
	if o.MAC != "" {
		hw, err := net.ParseMAC(o.MAC)
		if err != nil || len(hw) != 6 {
			return "", &ArgumentError{Argument: o.MAC}
		}
		more = append(more, "ardoise.mac="+hw.String())
	}
	arguments, err := o.arguments(more...)
	if err != nil {
		return "", err
	}
	agent := fmt.Sprintf(`  for g in "$gen" A B; do
    if linux "/ARDOISE/$g/VMLINUZ" %s "ardoise.wish=$1"; then
      if initrd "/ARDOISE/$g/STAGE1.IMG" "/ARDOISE/$g/STAGE2.IMG"; then
        boot
      fi
    fi
  done
`, arguments)
	menu, err := o.menu(agent, startLocal(loaders))
	if err != nil {
		return "", err
	}
	return "# Ardoise: start menu, from the disk.\n" + menu + once + woken(o.english()) + "set ready=1\n", nil
}

// NetworkMenu is the menu of a computer that starts from the network. It returns *ArgumentError for what cannot be
// quoted.
func NetworkMenu(o NetworkOptions) (string, error) {
	loaders, err := o.loaders()
	if err != nil {
		return "", err
	}
	arguments, err := o.arguments("ardoise.origin=network")
	if err != nil {
		return "", err
	}
	arguments += ` "ardoise.mac=$net_default_mac" "ardoise.wish=$1"`
	agent := "  if [ \"$grub_platform\" = pc ]; then\n" + o.Agent.tries(o.Agent.BIOS, arguments) +
		"  else\n" + o.Agent.tries(o.Agent.UEFI, arguments) + "  fi\n"
	menu, err := o.menu(agent, startFound(loaders))
	if err != nil {
		return "", err
	}
	return "# Ardoise: start menu, from the network.\n" + menu + woken(o.english()) + "set ready=1\n", nil
}

func (o MenuOptions) english() bool { return o.Language == "en" }

func (o MenuOptions) loaders() ([]string, error) {
	var all []string
	for _, l := range slices.Concat(o.Loaders, Loaders()) {
		quoted, err := Quote(l)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(all, quoted) {
			all = append(all, quoted)
		}
	}
	return all, nil
}

func (o MenuOptions) arguments(more ...string) (string, error) {
	var words []string
	if o.english() {
		more = append(more, "ardoise.lang=en")
	}
	for _, arg := range slices.Concat(o.Arguments, more) {
		w, err := Quote(arg)
		if err != nil {
			return "", err
		}
		words = append(words, w)
	}
	return strings.Join(words, " "), nil
}

// item is an entry of the menu.
type item struct {
	id, wish   string // wish "" starts the disk
	title      string // ASCII
	technician bool
}

func (o MenuOptions) items() []item {
	titles := []string{"Demarrer", "Remettre a zero", "Reinstaller (technicien)", "Inventaire (technicien)", "Depannage (technicien)"}
	if o.english() {
		titles = []string{"Start", "Reset", "Reinstall (technicien)", "Inventory (technicien)", "Rescue (technicien)"}
	}
	var list []item
	for i, kind := range []item{{id: "disk"}, {id: "reset", wish: "reset"}, {id: "reinstall", wish: "reinstall", technician: true},
		{id: "inventory", wish: "inventory", technician: true}, {id: "rescue", wish: "rescue", technician: true}} {
		kind.title = titles[i]
		if kind.id == "reset" && !o.Reset || kind.technician && len(o.Passphrase) == 0 {
			continue
		}
		list = append(list, kind)
	}
	return list
}

// menu writes the functions, the entries and how long is waited. Nothing of it is run.
//
// It stays on firmware's text screen, which cannot be trusted with more than ASCII: the BIOS has no accents, and UEFI drops
// what one of its consoles lacks. GRUB's graphical screen has them, but changes the resolution behind the back of firmware:
// the kernel is told of the old one, and the agent's screen stayed black (OVMF, with every way back that GRUB has).
func (o MenuOptions) menu(agent, disk string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "function ardoise_agent {\n%s}\nfunction ardoise_disk {\n%s}\n", agent, disk)
	users, err := o.passwords(&b)
	if err != nil {
		return "", err
	}
	list := o.items()
	b.WriteString("echo 'ardoise: menu'\n")
	for _, i := range list {
		who, do := "--unrestricted", "ardoise_disk"
		if i.technician {
			who = "--users " + users
		}
		if i.wish != "" {
			do = "ardoise_agent " + i.wish
		}
		fmt.Fprintf(&b, "menuentry '%s' --id %s %s {\n  %s\n}\n", i.title, i.id, who, do)
	}
	first := "disk"
	if o.Reset && o.ResetFirst {
		first = "reset"
	}
	fmt.Fprintf(&b, "set default=%s\nset timeout_style=menu\nset timeout=%d\n", first, menuSeconds)
	return b.String(), nil
}

// passwords writes who may choose the technician's entries, and returns their names.
func (o MenuOptions) passwords(b *strings.Builder) (users string, err error) {
	var names []string
	for _, line := range o.Passphrase {
		name, hash, ok := strings.Cut(line, " ")
		if !ok || name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz") != "" ||
			!strings.HasPrefix(hash, hashPrefix) || strings.Trim(hash, plain) != "" {
			return "", &ArgumentError{Argument: line}
		}
		fmt.Fprintf(b, "password_pbkdf2 %s %s\n", name, hash)
		names = append(names, name)
	}
	return strings.Join(names, ","), nil
}

// startLocal starts the system of the disk that GRUB itself came from, never that of a stick. BIOS: the disk's first
// sector as the master has it. UEFI: the first loader on any other partition; root must be set to it, or the loader takes
// our partition for its own.
func startLocal(loaders []string) string {
	var b strings.Builder
	b.WriteString(`  set ours="$root"
  regexp --set=1:drive '^(hd[0-9]+)' "$root"
  if [ "$grub_platform" = pc ]; then
    set root="$drive"
    if chainloader "($ours)/ARDOISE/SECTOR0"; then
      boot
    fi
  else
    for p in gpt1 gpt2 gpt3 gpt4 gpt5 gpt6 gpt7 gpt8 gpt9 gpt10 gpt11 gpt12 gpt13 gpt14 gpt15 gpt16 msdos1 msdos2 msdos3 msdos4 msdos5; do
      if [ "$drive,$p" != "$ours" -a -d "($drive,$p)/EFI" ]; then
`)
	fmt.Fprintf(&b, "        for l in %s; do\n", strings.Join(loaders, " "))
	b.WriteString(`          if [ -f "($drive,$p)$l" ]; then
            set root="$drive,$p"
            if chainloader "$l"; then
              boot
            fi
          fi
        done
      fi
    done
  fi
  set root="$ours"
`)
	return b.String()
}

// startFound starts the system of whichever disk has one. A BIOS disk whose boot code is ours would bring up its own
// menu after this one, so the master's is taken where it is kept.
func startFound(loaders []string) string {
	var b strings.Builder
	b.WriteString(`  if [ "$grub_platform" = pc ]; then
    if search --no-floppy --file --set=ours /ARDOISE/SECTOR0; then
      regexp --set=1:root '^(hd[0-9]+)' "$ours"
      if chainloader "($ours)/ARDOISE/SECTOR0"; then
        boot
      fi
    fi
    set root=hd0
    if chainloader +1; then
      boot
    fi
  else
`)
	fmt.Fprintf(&b, "    for l in %s; do\n", strings.Join(loaders, " "))
	b.WriteString(`      if search --no-floppy --file --set=root "$l"; then
        if chainloader "$l"; then
          boot
        fi
      fi
    done
  fi
`)
	return b.String()
}

// once does what the agent, or somebody at work on this computer, has asked for. It is forgotten before it is done: a
// start that fails comes back to the menu.
const once = `set next=
load_env -f /GRUB/NEXT next
if [ -n "$next" ]; then
  set what="$next"
  set next=
  if save_env -f /GRUB/NEXT next; then
    if [ "$what" = disk ]; then
      ardoise_disk
    elif [ "$what" = work -o "$what" = reset ]; then
      ardoise_agent "$what"
    fi
  fi
  set wake=0
fi
`

// woken sends a computer that the network has woken to work (SMBIOS 3.7 section 7.2.2, Wake-up Type at offset 18h of
// structure 1: 5 is LAN Remote). Many boards say PCI PME# (7) of their network card, but of other things too: there
// somebody who is present has three seconds.
func woken(english bool) string {
	text := "Reveil par le reseau : recherche de travail (Echap : menu)"
	if english {
		text = "Woken by the network: looking for work (Esc: menu)"
	}
	return `if [ -z "$wake" ]; then
  smbios --type 1 --get-byte 24 --set wake
  if [ "$wake" = 5 ]; then
    ardoise_agent work
  elif [ "$wake" = 7 ]; then
    echo '` + text + `'
    if sleep --interruptible 3; then
      ardoise_agent work
    fi
  fi
fi
`
}
