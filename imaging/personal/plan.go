package personal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/volume"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// Skipped is something that stays as the master has it, though the Values say otherwise.
type Skipped struct {
	Partition int    // manifest.Partition.Number; 0: no partition has it
	Path      string // of the file; "" for a whole partition
	Why       string // a sentence for a person
	Hint      string // how the master must be prepared; "" where nothing helps
}

// Paths of files that Plan knows. /etc/hosts is only changed where it names the master.
const (
	pathHostname = "etc/hostname"
	pathHosts    = "etc/hosts"
	pathMachine  = "etc/machine-id"
	pathDBus     = "var/lib/dbus/machine-id"
	dirSSH       = "etc/ssh"
)

// plan collects what Plan returns.
type plan struct {
	v          Values
	m          *manifest.Manifest
	exceptions []job.Exception
	skipped    []Skipped
	done       map[string]bool // files that a partition had
}

// Plan returns the exceptions that give a computer the Values, ordered by offset, and what of them it could not do. r
// holds the bytes of the master's disk that m describes, see MasterDisk. Every file system that has one of the files gets
// it, so that two systems on one disk both get the name. Errors are *ValueError and those of r.
func Plan(r io.ReaderAt, m *manifest.Manifest, v Values) ([]job.Exception, []Skipped, error) {
	if err := v.Check(); err != nil {
		return nil, nil, err
	}
	p := &plan{v: v, m: m, done: map[string]bool{}}
	guard := &watched{r: r}
	for _, vol := range m.Volumes {
		guard.err = nil
		if err := p.volume(guard, vol); err != nil {
			if guard.err != nil {
				return nil, nil, fmt.Errorf("partition %d: %w", vol.Partition, guard.err)
			}
			p.skip(vol, "", fmt.Sprintf("partition %d cannot be read: %v", vol.Partition, err), "")
		}
	}
	p.missing()
	slices.SortFunc(p.exceptions, func(a, b job.Exception) int { return cmp.Compare(a.Offset, b.Offset) })
	return p.exceptions, p.skipped, nil
}

// watched remembers a fault of the reader below: it is no fault of what was read.
type watched struct {
	r   io.ReaderAt
	err error
}

// ReadAt implements io.ReaderAt.
func (w *watched) ReadAt(b []byte, off int64) (int, error) {
	n, err := w.r.ReadAt(b, off)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

func (p *plan) skip(v manifest.Volume, path, why, hint string) {
	p.skipped = append(p.skipped, Skipped{v.Partition, path, why, hint})
}

// volume plans the edits of one volume.
func (p *plan) volume(r io.ReaderAt, v manifest.Volume) error {
	switch v.Kind {
	case "ext2", "ext3", "ext4", "lvm2", "ntfs":
	case "xfs", "btrfs":
		if p.linux() {
			p.skip(v, "", fmt.Sprintf("partition %d is %s: names are replaced on ext4 and NTFS only", v.Partition, v.Kind), "")
		}
		return nil
	default:
		return nil
	}
	if v.Kind == "ntfs" && p.v.Answer.Path == "" || v.Kind != "ntfs" && !p.linux() {
		return nil
	}
	if v.Order != manifest.ByFile {
		p.skip(v, "", fmt.Sprintf("partition %d was not captured by file: %s", v.Partition, v.Reason), "")
		return nil
	}
	editors, err := volume.Editors(io.NewSectionReader(r, v.Start, v.Length), v.Length)
	for _, e := range editors {
		if err := p.system(e, v); err != nil {
			return err
		}
	}
	return err
}

// linux says whether anything is to be replaced on a volume of Linux.
func (p *plan) linux() bool { return p.v.Hostname != "" || p.v.MachineID != "" || len(p.v.SSHKeys) > 0 }

// system plans the edits of one file system.
func (p *plan) system(e *volume.Editor, v manifest.Volume) error {
	if e.Kind == "ntfs" {
		return p.replace(e, v, p.v.Answer.Path, p.v.Answer.Content)
	}
	if p.v.Hostname != "" {
		if err := p.name(e, v); err != nil {
			return err
		}
	}
	if p.v.MachineID != "" {
		for _, path := range []string{pathMachine, pathDBus} {
			if err := p.replace(e, v, path, []byte(p.v.MachineID+"\n")); err != nil {
				return err
			}
		}
	}
	for _, path := range slices.Sorted(maps.Keys(p.v.SSHKeys)) {
		if err := p.replace(e, v, path, p.v.SSHKeys[path]); err != nil {
			return err
		}
	}
	if len(p.v.SSHKeys) > 0 {
		return p.foreignKeys(e, v)
	}
	return nil
}

// name replaces the computer's name, and what /etc/hosts says of the master's.
func (p *plan) name(e *volume.Editor, v manifest.Volume) error {
	old, err := e.Content(pathHostname)
	if err := p.replace(e, v, pathHostname, []byte(p.v.Hostname+"\n")); err != nil {
		return err
	}
	if err != nil {
		return nil // replace has said so
	}
	hosts, err := e.Content(pathHosts)
	var cannot *volume.EditError
	if errors.As(err, &cannot) {
		return nil
	} else if err != nil {
		return err
	}
	if len(hosts) >= volume.MaxEdit {
		p.skip(v, pathHosts, "/etc/hosts is too large to be looked at", "")
		return nil
	}
	changed := renameHost(hosts, firstLine(old), p.v.Hostname)
	if string(changed) == string(hosts) {
		return nil
	}
	return p.replace(e, v, pathHosts, changed)
}

// foreignKeys says which SSH keys of the master the computers of a room will share.
func (p *plan) foreignKeys(e *volume.Editor, v manifest.Volume) error {
	list, err := e.Names(dirSSH)
	var cannot *volume.EditError
	if err != nil && !errors.As(err, &cannot) {
		return err
	}
	slices.Sort(list)
	for _, name := range list {
		path := dirSSH + "/" + name
		if strings.HasPrefix(name, "ssh_host_") && strings.HasSuffix(name, "_key") && p.v.SSHKeys[path] == nil {
			p.skip(v, path, "every computer of this master has the SSH key "+path, "remove it and its .pub from the master")
		}
	}
	return nil
}

// replace plans a file's new content. A file that is not there is no fault of this file system: another may have it.
func (p *plan) replace(e *volume.Editor, v manifest.Volume, path string, content []byte) error {
	patches, err := e.Replace(path, content)
	var cannot *volume.EditError
	if errors.As(err, &cannot) {
		if !cannot.Absent {
			p.done[path] = true
			p.skip(v, path, cannot.Error(), cannot.Hint)
		}
		return nil
	}
	if err != nil {
		return err
	}
	p.done[path] = true
	var fresh []job.Exception
	for _, c := range patches {
		x := exceptionOf(v.Start+c.Offset, c.Content, path)
		onHead := slices.ContainsFunc(v.Heads, func(h manifest.Extent) bool { return h.Offset < x.Offset+x.Length && x.Offset < h.End() })
		switch old := overlapping(p.exceptions, x); {
		case onHead:
			p.skip(v, path, path+" lies on what the volume is known by", "")
			return nil
		case old == nil && overlapping(fresh, x) != nil:
			p.skip(v, path, path+" lies on its own inode or twice on one block", "")
			return nil
		case old == nil:
			fresh = append(fresh, x)
		case old.Offset != x.Offset || old.Hash != x.Hash: // the same file by a symbolic link, with another content
			p.skip(v, path, path+" is the same file as "+old.Why, "")
			return nil
		}
	}
	p.exceptions = append(p.exceptions, fresh...)
	return nil
}

func exceptionOf(off int64, content []byte, why string) job.Exception {
	sum := blake3.Sum256(content)
	return job.Exception{Offset: off, Length: int64(len(content)), Hash: chunk.ID(sum).String(), Content: content, Why: why}
}

// overlapping returns an exception of the list that shares a byte with x, or nil.
func overlapping(list []job.Exception, x job.Exception) *job.Exception {
	for i := range list {
		if o := &list[i]; o.Offset < x.Offset+x.Length && x.Offset < o.Offset+o.Length {
			return o
		}
	}
	return nil
}

// missing says what no file system had, of those that could have it: a template may be for masters of both kinds.
func (p *plan) missing() {
	has := func(kinds ...string) bool {
		return slices.ContainsFunc(p.m.Volumes, func(v manifest.Volume) bool { return slices.Contains(kinds, v.Kind) })
	}
	none := func(path string, size int) {
		if !p.done[path] {
			p.skipped = append(p.skipped, Skipped{Path: path, Why: "no file system of the master has the file " + path,
				Hint: fmt.Sprintf("make it in the master, with at least %d bytes of whatever", size)})
		}
	}
	windows, linux := has("ntfs"), has("ext2", "ext3", "ext4", "lvm2", "xfs", "btrfs")
	if p.v.Answer.Path != "" && (windows || !linux) {
		none(p.v.Answer.Path, len(p.v.Answer.Content))
	}
	if !linux && p.v.Hostname != "" && p.v.Answer.Path == "" {
		p.skipped = append(p.skipped, Skipped{Why: "the master has no file system of Linux, and Windows takes its name from an answer file",
			Hint: "let the room's template have an answer file"})
	}
	if !linux {
		return
	}
	if p.v.Hostname != "" {
		none(pathHostname, len(p.v.Hostname)+1)
	}
	if p.v.MachineID != "" {
		none(pathMachine, len(p.v.MachineID)+1)
	}
	for _, path := range slices.Sorted(maps.Keys(p.v.SSHKeys)) {
		none(path, len(p.v.SSHKeys[path]))
	}
}
