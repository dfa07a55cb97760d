// Package quick tells which bytes of a disk need not be read before a reset, since the file systems' own records say that
// nothing has happened to them.
//
//	disk                                             master (manifest, names table, frames)
//	 |-- metadata, inode tables, $MFT -- hash --------- equal? ------------> its records are equal
//	 |                                     +-- no --> fetched, proven, compared record by record
//	 v
//	record equal --> file vouched for --> 2 % of these are read all the same --> one differs --> doubt
//	record differs, always-checked, everything else --> left to restore, which reads all of it
//
//	verdict, err := quick.Look(ctx, quick.Options{Disk: d, Manifest: m, Names: names, Source: s, Exceptions: x})
//	if err != nil { return err }
//	o.Vouched = verdict // with a doubt it vouches for nothing, and Run reads everything: that is the fall back
//	report, err := restore.Run(ctx, o)
//
// A record is a file's inode in its table (ext2, ext3, ext4) or its records in $MFT, base and extensions (NTFS). They are
// compared raw, in NTFS with LSN, USN and fix-ups. Of an inode the time of the last reading (i_atime, i_atime_extra) and
// the checksum, which covers it, are left out: otherwise reading a file would cost its data. That is safe since no way
// through the file system changes data, or the blocks it lies in, and leaves i_ctime, which cannot be set: it is compared
// to the nanosecond, as are i_mtime, the size, the root of the extent tree and the version of the inode. The blocks of an
// extent tree, and a list of attributes outside of its record, are metadata: where one of them differs its file is not
// vouched for.
//
// Sources: as package volume; "independent analysis of NTFS", which clusters may change without their record, as noted in
// imaging/DESIGN.md, "Reset".
//
// # What it catches
//
// Whatever was done through a file system, by anybody, with root's or SYSTEM's rights too: files added, deleted, renamed,
// linked, replaced, edited with their modification time put back (utimes sets i_mtime and raises i_ctime), cut and grown
// again; permissions, owners, attributes, ACLs; holes punched; directories; blocks that were moved. And always, whatever
// the records say: all metadata, the journal as far as it was written to, boot files, the registry's hives, what lies
// outside of file systems, and every byte of volumes of other kinds (FAT, swap, XFS, btrfs, LVM, raw), and of files that
// are not plain: with a block map of ext2, encrypted, sealed, journalled, immutable, or with a flag that is not known.
//
// What it cannot judge is a doubt: a journal that is not empty, errors noted, hibernation, another geometry, features that
// are not known, inodes of 128 bytes (i_ctime in whole seconds), a record that cannot be read, a names table that is
// not the master's, a sample that differs, the mark of a restore that was not finished. Then everything is read. Who keeps
// that mark elsewhere (the server) must not ask for a quick reset while it stands: metadata may be the master's already
// where data is not.
//
// # What it does not claim
//
//   - Bytes written to the block device past the file system, which the sample finds by chance alone: 1 in 50 a chunk and a
//     reset. Swap files are known by their header and read.
//   - NTFS times and records set back through the API (FILE_BASIC_INFORMATION with ChangeTime) leave another LSN or USN in
//     the record as a rule; nothing guarantees it. Records edited raw, by debugfs or a hexadecimal editor, to look as before.
//   - On ext: a clock set to the very nanosecond of the master's i_ctime while a file is written, which root can do; a kernel
//     that was changed.
//   - What lies in inode tables behind the last inode that the group's descriptor calls used, here and there alike, and
//     in the blocks that ext keeps for growing, while the inode that owns them is the same.
//   - What lies in the rest of an ext journal, where no transaction was written since a deployment filled it with zeros: of each
//     MiB one page is read, and if that is not zeros, all of it.
//   - What Windows writes past its own file system, besides what is always read: a dedicated dump file.
//   - Data that reached the disk before a power cut, when the change of its record had not: a program of root's that writes in
//     place and waits for the data alone (fdatasync), and loses power within the journal's 5 seconds, or a day with the mount
//     option lazytime. What others than root may write to is therefore always read: on ext inodes of another owner, or that
//     group or all may write to; on NTFS what lies in Users. Where the drive counts unsafe shutdowns, the agent reads
//     everything after one.
//   - Exceptions of the last reset that this one has not: they were written past the file system, so the records of the files
//     in which they lie have not changed. Who takes some away must not ask for quick; the agent and the command line do not.
//   - A proof on ARDOISE that root has forged, with the drive's counters as they will be: a quick reset that finds nothing written
//     since reads nothing. The server cannot tell it from the proof of a reset that was done without it.
//   - A write of the reset itself that the drive puts elsewhere: what was written is read back, not all else once more.
//   - Blocks that fail without anybody having written to them: full, at night, finds those.
//
// Full catches all of these. Memory: the manifest, four bits a chunk, two bits a stream and a record, 8 MiB of chunks that
// are compared, 65,536 names, 32 MiB of pages that the reset will write, 1 to 8 MiB for each of four to eight that read, 8
// bytes a block of metadata that differs, 60 a chunk of it and 48 a file whose extent tree leaves its inode.
package quick
