package disk

import (
	"bytes"
	"fmt"
	"strings"
)

// envSize is the size of a small file: one sector, alone in its physical one.
const envSize = 512

// envMagic begins a GRUB environment block (GRUB 2.12 manual, "Environment block").
const envMagic = "# GRUB Environment Block\n"

// encodeEnv makes an environment block with one variable.
func encodeEnv(name, value string) []byte {
	text := envMagic
	if value != "" {
		text += name + "=" + value + "\n"
	}
	return append([]byte(text), bytes.Repeat([]byte("#"), envSize-len(text))...)
}

// decodeEnv reads the value of one variable; ok is false where there is no environment block.
func decodeEnv(b []byte, name string) (value string, ok bool) {
	text, ok := strings.CutPrefix(string(b), envMagic)
	if !ok {
		return "", false
	}
	for line := range strings.Lines(text) {
		if v, found := strings.CutPrefix(line, name+"="); found && strings.HasSuffix(v, "\n") {
			value = strings.TrimSuffix(v, "\n")
		}
	}
	return value, true
}

// beginning is what a small file holds from the beginning.
func beginning(path string) ([]byte, bool) {
	switch path {
	case "ARDOISE/" + fileGeneration:
		return encodeEnv("gen", noGeneration), true
	case "GRUB/" + fileNext:
		return encodeEnv("next", ""), true
	}
	return nil, false
}

// small reads the one sector of a small file.
func (a *Ardoise) small(path string) ([]byte, error) {
	f, ok := a.find(path)
	if !ok || a.layout != Layout {
		return nil, &NoArdoiseError{"it is of an older layout"}
	}
	b := make([]byte, envSize)
	if err := readFull(a.d, b, a.place(f)); err != nil {
		return nil, fmt.Errorf("reading %s of ARDOISE: %w", f.name, err)
	}
	return b, nil
}

// storeSmall writes the one sector of a small file and returns when it is durable.
func (a *Ardoise) storeSmall(path string, b []byte) error {
	f, ok := a.find(path)
	if !ok || a.layout != Layout {
		return &NoArdoiseError{"it is of an older layout"}
	}
	if _, err := a.d.WriteAt(b, a.place(f)); err != nil {
		return fmt.Errorf("writing %s of ARDOISE: %w", f.name, err)
	}
	return a.d.Flush()
}

// Next is what GRUB does at its next start from ARDOISE, once and without a menu.
type Next string

// The next starts.
const (
	NextMenu  Next = ""      // the menu, as always
	NextDisk  Next = "disk"  // the system on the disk
	NextWork  Next = "work"  // the agent, which asks the server for a task
	NextReset Next = "reset" // the agent, which resets
)

// Next returns what GRUB will do at its next start.
func (a *Ardoise) Next() (Next, error) {
	b, err := a.small("GRUB/" + fileNext)
	if err != nil {
		return NextMenu, err
	}
	value, _ := decodeEnv(b, "next")
	return Next(value), nil
}

// SetNext says what GRUB does at its next start; nothing is written where that is said already. GRUB forgets it before
// it does it.
func (a *Ardoise) SetNext(n Next) error {
	switch n {
	case NextMenu, NextDisk, NextWork, NextReset:
	default:
		return fmt.Errorf("next start %q is none", n)
	}
	b, err := a.small("GRUB/" + fileNext)
	if err != nil {
		return err
	}
	if value, ok := decodeEnv(b, "next"); ok && Next(value) == n {
		return nil
	}
	return a.storeSmall("GRUB/"+fileNext, encodeEnv("next", string(n)))
}

// noGeneration is what GEN says while none counts. It is not left empty: GRUB could not tell that from a GEN that it
// cannot read.
const noGeneration = "0"

// Generation returns the generation that counts, and whether that could be read: GRUB takes A, then B, where it cannot.
func (a *Ardoise) Generation() (g Generation, readable bool, err error) {
	b, err := a.small("ARDOISE/" + fileGeneration)
	if err != nil {
		return NoGeneration, false, err
	}
	value, ok := decodeEnv(b, "gen")
	switch g := Generation(value); {
	case ok && value == noGeneration:
		return NoGeneration, true, nil
	case ok && (g == A || g == B):
		return g, true, nil
	}
	return A, false, nil
}
