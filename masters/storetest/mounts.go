package storetest

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Tmpfs returns a folder of a real file system that holds at most size bytes, so that a full disk is a full disk. It is
// mounted nowhere: only this process finds it, by its handle, and it is gone with the test. Without root the test is
// skipped.
func Tmpfs(t testing.TB, size int64) string {
	t.Helper()
	needRoot(t)
	fs, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(unix.FsconfigSetString(fs, "size", fmt.Sprint(size)), unix.FsconfigCreate(fs))
	mount := -1
	if err == nil {
		mount, err = unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	}
	if err = errors.Join(err, unix.Close(fs)); err != nil {
		t.Fatal(err)
	}
	return handle(t, mount)
}

// ReadOnly returns a view of a folder in which nothing can be changed, not even by root. It is mounted nowhere, as with
// Tmpfs. Without root the test is skipped.
func ReadOnly(t testing.TB, dir string) string {
	t.Helper()
	needRoot(t)
	mount, err := unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err == nil {
		err = unix.MountSetattr(mount, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	}
	if err != nil {
		t.Fatal(err)
	}
	return handle(t, mount)
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
}

// handle returns the path of an open mount, which is closed with the test.
func handle(t testing.TB, mount int) string {
	t.Cleanup(func() {
		if err := unix.Close(mount); err != nil {
			t.Error(err)
		}
	})
	return fmt.Sprintf("/proc/self/fd/%d", mount)
}
