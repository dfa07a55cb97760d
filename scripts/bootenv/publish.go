package main

import (
	"bytes"
	"crypto/sha256"
	"debug/pe"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/scripts/debian"
)

// manifest is boot.json.
type manifest struct {
	Kernel   string              `json:"kernel"`   // release of the kernel, as uname -r gives it
	Packages debian.Lock         `json:"packages"` // what the files were made of
	Files    map[string]bootFile `json:"files"`    // by name in this folder
}

// bootFile describes one file.
type bootFile struct {
	Size   int64    `json:"size"`
	SHA256 string   `json:"sha256"`
	BLAKE3 string   `json:"blake3"`
	SBAT   []string `json:"sbat,omitempty"` // "shim,4": component and generation, which revocations count by
}

// publish writes the files, boot.json last: who finds it finds the rest complete.
func publish(dir, version string, taken debian.Lock, files map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	m := manifest{Kernel: version, Packages: taken, Files: map[string]bootFile{}}
	slices.SortFunc(m.Packages, func(a, b debian.Entry) int { return strings.Compare(a.Package, b.Package) })
	for name, content := range files {
		sum, sum3 := sha256.Sum256(content), blake3.Sum256(content)
		f := bootFile{Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]), BLAKE3: hex.EncodeToString(sum3[:])}
		if strings.HasSuffix(name, ".efi") {
			f.SBAT = sbat(content)
		}
		m.Files[name] = f
		if err := writeWhole(filepath.Join(dir, name), content); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	if err := writeWhole(filepath.Join(dir, "boot.json"), append(text, '\n')); err != nil {
		return err
	}
	return printSizes(m)
}

// writeWhole replaces a file at once, so that a server at work never reads half of it; one that is equal is left alone.
func writeWhole(file string, content []byte) error {
	if old, err := os.ReadFile(file); err == nil && bytes.Equal(old, content) {
		return nil
	}
	part := file + ".part"
	if err := os.WriteFile(part, content, 0o644); err != nil {
		return err
	}
	return os.Rename(part, file)
}

// sbat reads component and generation from the .sbat section of a loader, of which the first two columns count
// (rhboot/shim, SBAT.md). A loader without one has none.
func sbat(loader []byte) []string {
	f, err := pe.NewFile(bytes.NewReader(loader))
	if err != nil {
		return nil
	}
	section := f.Section(".sbat")
	if section == nil {
		return nil
	}
	table, err := section.Data()
	if err != nil {
		return nil
	}
	var levels []string
	for line := range strings.Lines(strings.TrimRight(string(table), "\x00")) {
		if f := strings.Split(strings.TrimSpace(line), ","); len(f) > 2 {
			levels = append(levels, f[0]+","+f[1])
		}
	}
	return levels
}

// printSizes prints the table of files.
func printSizes(m manifest) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "file\tMiB\tbytes\tsha256\t\n")
	for _, name := range slices.Sorted(maps.Keys(m.Files)) {
		f := m.Files[name]
		fmt.Fprintf(w, "%s\t%.2f\t%d\t%.16s\t\n", name, float64(f.Size)/(1<<20), f.Size, f.SHA256)
	}
	fmt.Fprintf(w, "kernel\t\t%s\t\t\n", m.Kernel)
	return w.Flush()
}
