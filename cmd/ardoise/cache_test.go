package main

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/restore"
)

// cacheOf runs a cache command that succeeds.
func cacheOf(t testing.TB, args ...string) cached {
	t.Helper()
	exit, out, complaints := ardoise(append(append([]string{"cache"}, args...), "--json")...)
	var c cached
	if err := json.Unmarshal([]byte(out), &c); exit != 0 || err != nil {
		t.Fatalf("ardoise cache %s = exit %d, %v\n%s%s", strings.Join(args, " "), exit, err, out, complaints)
	}
	return c
}

// withArdoise puts a master onto a larger disk and makes ARDOISE there, as a deployment does.
func withArdoise(t testing.TB, data, ref string, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "large.img")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	b := bench{data: data}
	err := b.withMaster(t.Context(), ref, func(o opened) error {
		d, err := disk.Open(path, disk.Mode{Read: true, Write: true})
		if err != nil {
			return err
		}
		defer d.Close()
		_, err = restore.Run(t.Context(), restore.Options{Manifest: o.manifest, Target: d, SectorSize: d.SectorSize(),
			Source: o.source, MakeArdoise: true})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestACacheIsMadeFilledShownAndDropped(t *testing.T) {
	t.Parallel()
	source, data := schoolPC(t), t.TempDir()
	must(t, "master", "capture", "m", "--disk", source, "--data", data)
	if why := refused(t, 3, "cache", "fill", "m", "--disk", source, "--data", data, "--make"); !strings.Contains(why, "There is no ARDOISE") {
		t.Errorf("a disk without ARDOISE: %s", why)
	}
	path := withArdoise(t, data, "m", 600*mib)
	refused(t, 3, "cache", "show", "--disk", path)
	refused(t, 3, "cache", "fill", "m", "--disk", path, "--data", data)
	filled := cacheOf(t, "fill", "m", "--disk", path, "--data", data, "--make")
	if filled.FromDisk == 0 || filled.FromLibrary != 0 || len(filled.Versions) != 1 || filled.Versions[0].Missing != 0 {
		t.Errorf("fill = %+v", filled)
	}
	// The partition is ours: the disk is the master's as before, and whole for others.
	if v := must(t, "master", "verify", "m", "--disk", path, "--data", data); v.Equal == nil || !*v.Equal {
		t.Errorf("verify = %+v", v)
	}
	if out := tool(t, "sgdisk", "-v", path); !strings.Contains(out, "No problems found") {
		t.Errorf("sgdisk: %s", out)
	}
	shown := cacheOf(t, "show", "--disk", path, "--check")
	if shown.Versions[0].Version != "m@1" || !shown.Versions[0].Kept || shown.Versions[0].Missing != 0 || shown.Lost != 0 || !shown.Checked ||
		shown.Bytes != filled.Bytes {
		t.Errorf("show = %+v", shown)
	}
	if exit, out, _ := ardoise("cache", "show", "--disk", path); exit != 0 || !strings.Contains(out, "m@1: complete") {
		t.Errorf("show = exit %d\n%s", exit, out)
	}
	if why := refused(t, 2, "cache", "drop", "--disk", path); !strings.Contains(why, "--yes") {
		t.Error(why)
	}
	cacheOf(t, "drop", "--disk", path, "--yes")
	if why := refused(t, 4, "cache", "show", "--disk", path); !strings.Contains(why, "holds no cache") {
		t.Error(why)
	}
}

func TestWhatTheDiskDoesNotHoldComesFromTheLibrary(t *testing.T) {
	t.Parallel()
	source, data := schoolPC(t), t.TempDir()
	must(t, "master", "capture", "m", "--disk", source, "--data", data)
	path := withArdoise(t, data, "m", 600*mib)
	// A pupil changes a file.
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(content), "Il était une fois. Il")
	write(t, path, int64(at+1000), []byte("changed"))
	filled := cacheOf(t, "fill", "m", "--disk", path, "--data", data, "--make")
	if filled.FromDisk == 0 || filled.FromLibrary == 0 || filled.Versions[0].Missing != 0 {
		t.Errorf("fill = %+v", filled)
	}
	// The second version is kept beside the first one, or alone.
	must(t, "master", "capture", "m", "--disk", source, "--data", data, "--note", "the same again")
	if both := cacheOf(t, "fill", "m@2", "--disk", path, "--data", data); len(both.Versions) != 2 || !both.Versions[1].Kept || both.FromDisk != 0 {
		t.Errorf("two versions: %+v", both)
	}
	if one := cacheOf(t, "fill", "m@2", "--disk", path, "--data", data, "--only"); one.Versions[0].Version != "m@2" || one.Versions[1].Kept {
		t.Errorf("one alone: %+v", one)
	}
}

// A cache that one version fills to the last segment has no room for the manifest of another, but where that is to be alone.
func TestAFullCacheIsGivenToAnotherVersion(t *testing.T) {
	t.Parallel()
	source, data := schoolPC(t), t.TempDir()
	must(t, "master", "capture", "m", "--disk", source, "--data", data)
	path := withArdoise(t, data, "m", (1+18+40+4+320+64+1)*mib)
	for i, name := range []string{"x", "y"} {
		raw := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(raw, noise(uint64(i), 56*mib), 0o600); err != nil {
			t.Fatal(err)
		}
		must(t, "master", "capture", name, "--disk", raw, "--data", data)
	}
	if x := cacheOf(t, "fill", "x", "--disk", path, "--data", data, "--make"); x.Versions[0].Missing != 0 || x.Free > 1 {
		t.Fatalf("the first: %+v", x)
	}
	if why := refused(t, 3, "cache", "fill", "y", "--disk", path, "--data", data); !strings.Contains(why, "--only") {
		t.Errorf("beside it: %s", why)
	}
	y := cacheOf(t, "fill", "y", "--disk", path, "--data", data, "--only")
	if i := slices.IndexFunc(y.Versions, func(v cachedVersion) bool { return v.Kept }); i < 0 || y.Versions[i].Version != "y@1" || y.Versions[i].Missing != 0 {
		t.Errorf("alone: %+v", y)
	}
	if all := cacheOf(t, "show", "--disk", path, "--check"); all.Lost != 0 || all.Damaged != 0 {
		t.Errorf("show: %+v", all)
	}
}

// noise is content that does not compress.
func noise(seed uint64, n int64) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), 5}).Read(b)
	return b
}

func TestShowSaysFromWhichSizeOnThereIsRoom(t *testing.T) {
	for want, m := range map[string]access.Master{
		"yes, on disks of 430 MiB or more": {OfflineReset: "yes", OfflineFrom: 430 * mib},
		"no, because of a reason":          {OfflineReset: "no, because of a reason", OfflineFrom: 430 * mib},
		"-":                                {},
	} {
		if got := offlineText(m); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
