package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/masters/diff"
	"github.com/ardoise/ardoise/masters/storetest"
)

// said runs a command line that succeeds and decodes its JSON.
func said[T any](t testing.TB, args ...string) T {
	t.Helper()
	exit, out, complaints := ardoise(append(args, "--json")...)
	var v T
	if err := json.Unmarshal([]byte(out), &v); exit != 0 || err != nil {
		t.Fatalf("ardoise %s = exit %d, %v\n%s%s", strings.Join(args, " "), exit, err, out, complaints)
	}
	return v
}

// The life of a master, once without a daemon and once through one: the answers are the same.
func TestTheLifeOfAMaster(t *testing.T) {
	offline, d := t.TempDir(), newDaemon(t)
	d.kill()
	ids, frames := storetest.Frames(t, 4, 21)
	for _, data := range []string{offline, d.data} {
		for i := range 4 {
			putMaster(t, data, "salle", ids[:i+1], frames[:i+1])
		}
	}
	d.start()
	for name, data := range map[string]string{"without a daemon": offline, "through a daemon": d.data} {
		t.Run(name, func(t *testing.T) {
			at := func(args ...string) []string { return append(append([]string{"master"}, args...), "--data", data) }
			if m := said[access.Move](t, at("promote", "salle@1", "stable")...); m.From != 0 || m.To != 1 || m.By == "" || m.Name != "salle" {
				t.Errorf("promote = %+v", m)
			}
			said[access.Move](t, at("promote", "salle@2", "stable")...)
			said[access.Move](t, at("promote", "salle@stable", "test")...)
			if m := said[access.Move](t, at("rollback", "salle")...); m.From != 2 || m.To != 1 || m.Channel != "stable" {
				t.Errorf("rollback = %+v", m)
			}
			said[access.Master](t, at("note", "salle@stable", "retour après la panne")...)
			m := said[access.Master](t, at("show", "salle@stable")...)
			if m.Version != 1 || m.Note != "retour après la panne" || len(m.Notes) != 1 || !slices.Equal(m.Channels, []string{"stable"}) ||
				m.StoredBytes == 0 || m.NewBytes != m.StoredBytes || m.UsedBytes == 0 || m.DiskBytes == 0 {
				t.Errorf("show = %+v", m)
			}
			if m := said[access.Master](t, at("show", "salle@2")...); m.ParentOf != "salle@1" {
				t.Errorf("show = %+v, want its parent by name", m)
			}
			refused(t, 3, at("forget", "salle@1")...)
			refused(t, 2, at("forget", "salle")...)
			refused(t, 3, at("rollback", "salle")...)
			refused(t, 3, at("rollback", "salle", "pilot")...)
			refused(t, 2, at("promote", "salle@1", "Pilot")...)
			refused(t, 3, at("promote", "salle@9", "test")...)
			retention(t, at)
			if left := said[[]access.Master](t, at("list")...); len(left) != 4 {
				t.Errorf("a dry run has left %d versions", len(left))
			}
			if r := said[access.Retention](t, at("retain", "salle", "--now")...); !r.Done || r.Versions[2].Kept {
				t.Errorf("retain --now = %+v", r)
			}
			if r := said[access.Retention](t, at("retain", "salle", "--off")...); r.Rule != nil || r.Done {
				t.Errorf("retain --off = %+v", r)
			}
			said[access.Master](t, at("forget", "salle@4")...)
			said[access.Move](t, at("promote", "salle", "test", "--off")...)
			left := said[[]access.Master](t, at("list")...)
			if len(left) != 2 || left[0].Version != 1 || left[1].Version != 2 || len(left[1].Channels) != 0 {
				t.Errorf("left are %+v", left)
			}
			for _, args := range [][]string{at("list"), at("show", "salle"), at("key"), at("retain", "salle", "--last", "5", "--dry-run"), at("retain", "salle")} {
				if exit, out, complaints := ardoise(args...); exit != 0 || len(out) < 20 || complaints != "" {
					t.Errorf("ardoise %s = %d %s%s", strings.Join(args, " "), exit, out, complaints)
				}
			}
		})
	}
}

// retention makes and shows the rule of four versions, of which the first two are on a channel, or were.
func retention(t *testing.T, at func(...string) []string) {
	t.Helper()
	if r := said[access.Retention](t, at("retain", "salle")...); r.Rule != nil || len(r.Versions) != 0 {
		t.Errorf("without a rule retain = %+v", r)
	}
	for _, args := range [][]string{{"--last", "0"}, {"--last", "-1"}, {"--last", "many"}, {"--last", "20000"}, {"--now"}, {"--dry-run"},
		{"--off", "--last", "1"}, {"--off", "--now"}} {
		refused(t, 2, at(append([]string{"retain", "salle"}, args...)...)...)
	}
	refused(t, 2, at("retain", "salle@1", "--last", "1")...)
	refused(t, 3, at("retain", "nobody", "--last", "1")...)
	plan := said[access.Retention](t, at("retain", "salle", "--last", "1", "--dry-run")...)
	if v := plan.Versions; plan.Rule != nil || plan.Done || len(v) != 4 || !v[0].Kept || !v[1].Kept || v[2].Kept || !v[3].Kept {
		t.Errorf("retain --dry-run = %+v", plan)
	}
	if r := said[access.Retention](t, at("retain", "salle", "--last", "1")...); r.Rule == nil || r.Rule.KeepLast != 1 || r.Done || r.Versions[2].Kept {
		t.Errorf("retain --last 1 = %+v", r)
	}
	if m := said[access.Master](t, at("show", "salle")...); m.Retention == nil || m.Retention.KeepLast != 1 || m.Retention.By == "" {
		t.Errorf("show says of retention %+v", m.Retention)
	}
}

// Two captures of one computer, with files added, removed and changed in between by the file system's own tools.
func TestDiffNamesTheFiles(t *testing.T) {
	t.Parallel()
	source, data := schoolPC(t), t.TempDir()
	must(t, "master", "capture", "m", "--disk", source, "--data", data)
	root, dir := rootOf(t, source), t.TempDir()
	for name, content := range map[string]string{"new": "a new file\n", "hostname": "poste-13\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, do := range []string{"rm /usr/bin/big", "write " + dir + "/new /etc/new", "rm /etc/hostname", "write " + dir + "/hostname /etc/hostname"} {
		tool(t, "debugfs", "-w", "-R", do, root)
	}
	tool(t, "e2fsck", "-fy", root)
	splice(t, source, root, rootStart)
	must(t, "master", "capture", "m", "--disk", source, "--data", data)

	d := said[differing](t, "master", "diff", "m@1", "m@2", "--data", data)
	got := map[string]string{}
	for _, c := range d.Changes {
		if c.What == diff.File {
			got[c.Path] = string(c.Kind)
		}
	}
	want := map[string]string{"usr/bin/big": "removed", "etc/new": "added", "etc/hostname": "changed"}
	if d.Equal || d.A != "m@1" || d.B != "m@2" || len(got) != len(want) {
		t.Errorf("diff = %+v", d)
	}
	for path, kind := range want {
		if got[path] != kind {
			t.Errorf("%s is told as %q, want %q", path, got[path], kind)
		}
	}
	for _, v := range d.Volumes {
		if v.Partition == 2 && (v.Added.Files != 1 || v.Removed.Bytes != 40_000*18 || v.Changed.Files != 1 || v.Same.Files != 1 || !v.Other) {
			t.Errorf("totals of the root are %+v", v)
		}
	}
	exit, out, _ := ardoise("master", "diff", "m@1", "m@2", "--data", data, "--limit", "1")
	if exit != 0 || !strings.Contains(out, "more (--limit 0 lists all)") || !strings.Contains(out, "1 file (720.0 kB) removed") {
		t.Errorf("diff = %d\n%s", exit, out)
	}
	if same := said[differing](t, "master", "diff", "m@2", "m", "--data", data); !same.Equal || len(same.Changes) != 0 {
		t.Errorf("a version differs from itself: %+v", same)
	}
	refused(t, 3, "master", "diff", "m@1", "m@3", "--data", data)
}

func TestVerifyAndRestoreWhileTheDaemonRuns(t *testing.T) {
	source, d := schoolPC(t), newDaemon(t)
	d.kill()
	must(t, "master", "capture", "m", "--disk", source, "--data", d.data)
	d.start()
	target := emptyDisk(t, diskSize, 0xa5)
	if put := must(t, "master", "restore", "m", "--disk", target, "--data", d.data); put.WrittenBytes == 0 {
		t.Errorf("restore = %+v", put)
	}
	checkRoot(t, target)
	if held := must(t, "master", "verify", "m@1", "--disk", target, "--data", d.data); held.Equal == nil || !*held.Equal {
		t.Errorf("verify = %+v", held)
	}
}

func TestChannelsThatWereAlteredAreTold(t *testing.T) {
	data := t.TempDir()
	ids, frames := storetest.Frames(t, 2, 22)
	putMaster(t, data, "salle", ids, frames)
	said[access.Move](t, "master", "promote", "salle@1", "stable", "--data", data)
	path := filepath.Join(data, "masters", "salle", "about")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if all := said[[]access.Master](t, "master", "list", "--data", data); len(all) != 1 || all[0].NoChannels == "" || all[0].Damaged != "" {
		t.Errorf("list = %+v, want the channels damaged and the version sound", all)
	}
	if _, out, _ := ardoise("master", "list", "--data", data); !strings.Contains(out, "DAMAGED") {
		t.Errorf("list says nothing of it:\n%s", out)
	}
	refused(t, 4, "master", "promote", "salle@1", "stable", "--data", data)
	refused(t, 4, "master", "show", "salle@stable", "--data", data)
	refused(t, 3, "master", "forget", "salle@1", "--data", data)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	said[access.Move](t, "master", "promote", "salle@1", "stable", "--data", data)
}
