// Package volume tells which bytes of a volume matter and which of them belong together.
//
// A volume is what lies in a partition. Read looks at it through an io.ReaderAt, never writes, and returns a Layout in
// which every used byte has exactly one class and every kept byte exactly one stream:
//
//	volume   |boot|super|desc|bitmaps|inodes|file A.....|dir|journal......|A again|  free  |file B|slack|
//	class     kept kept  kept kept    kept   kept        kept fill         kept             kept   kept
//	stream    meta meta  meta meta    meta   A           meta meta         A                B      meta
//
// A file's data is one stream in file order, whatever its extents. Everything else is the metadata stream, whose offset
// is the volume offset. The classes follow imaging/DESIGN.md: kept bytes are chunks, fills are restored as one byte
// value (the body of a clean journal, the start of swap), don't-care bytes are neither read nor written.
//
// Sources: ext2/3/4: Linux Documentation/filesystems/ext4 (globals, group descriptors, inodes, extents, directories,
// inline data, checksums) and the headers of e2fsprogs for bigalloc, meta_bg and sparse_super2. FAT: Microsoft FAT32
// File System Specification 1.03, sections "Boot Sector and BPB", "FAT Data Structure", "Long Directory Entries". NTFS:
// see package ntfs. Swap: the header of mkswap(8). LVM2, btrfs, XFS, exFAT and the settings of Windows: see packages lvm, btrfs,
// xfs, exfat and hive. Others are only recognised: by the magic numbers of their specifications.
//
// Guaranteed: kept, fill and don't-care together are the allocation of the volume, rounded to its allocation unit, plus
// what lies outside it; no byte is in two of them. A volume that contradicts itself is never trusted: it becomes one
// stream of its used blocks (manifest.ByPosition) or, where its allocation is in doubt too, of all its bytes
// (manifest.Raw), and Layout.Reason says why. A volume that is not clean is refused with *RefusedError. Every input is
// hostile: no loop, no allocation beyond a few bits a block. Not guaranteed: that the content of files is sound, which
// only the file system's own checker can say; names are for people and may be made up where the volume has none.
package volume
