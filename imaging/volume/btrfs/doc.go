// Package btrfs reads what a btrfs on one device says about its bytes: which are allocated, and which belong to a file.
//
//	superblock (64 KiB, 64 MiB, 256 GiB) --> chunk tree: logical addresses --> places on the device, one or two
//	                                     --> root tree --> extent tree: what is allocated
//	                                                   --> fs tree and subvolumes: inodes, names, file extents
//	                                                   --> checksums, devices, free space, uuid, quota
//	node    csum 32 | fsid 16 | bytenr 8 | flags 8 | chunk tree 16 | generation 8 | owner 8 | items 4 | level 1 | ...
//	leaf    ... | key, offset, size | key, offset, size | ... free ... | data | data |
//	inner   ... | key, bytenr, generation | ...
//
// Sources: Linux include/uapi/linux/btrfs_tree.h for structures and item types; the on-disk format pages of the btrfs
// documentation; fs/btrfs/tree-checker.c for what the kernel insists on.
//
// Guaranteed: every node that was read has its checksum (crc32c, xxhash64 or SHA-256), its own address, the generation
// and level its parent gives it, and its keys in order; of two copies both are the same. Extents do not overlap, lie in
// chunks, and add up to what block groups and superblock say. What this package does not know (other profiles than
// single and DUP, several devices, BLAKE2, zones, new features) is an UnsupportedError; a log tree is an UncleanError.
// The free space tree and the space cache are not believed. Not guaranteed: that file data match their checksums, and
// for data in DUP that the copies are the same: both are kept as they are.
package btrfs
