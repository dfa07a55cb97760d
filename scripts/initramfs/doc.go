// Package initramfs makes the archives that a Linux kernel unpacks as its first root.
//
// An Archive collects files; Write gives them as cpio "newc", parents before children, sorted, owned by root, dated
// 1970, so that the same files are always the same bytes:
//
//	070701 ino mode uid gid nlink mtime size devmajor devminor rdevmajor rdevminor namesize check   14 fields of hex
//	name NUL, padded to 4      content, padded to 4      ... last entry: TRAILER!!!
//
// Compress packs that with zstd, which Debian's kernels since 6.1 unpack, much faster than xz. The kernel takes several
// such archives one after the other: a later file replaces an earlier one.
//
// Programs from Debian packages need their shared libraries: Libraries follows the ELF headers through unpacked trees.
//
// Guaranteed: no file or folder in an archive is writable for group or others. Not guaranteed: that a program
// finds what it opens by name at run time (plug-ins, configuration).
//
// Sources: Linux Documentation/driver-api/early-userspace/buffer-format.rst; System V ABI, dynamic linking; ld.so(8).
package initramfs
