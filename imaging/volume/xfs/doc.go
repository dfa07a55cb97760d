// Package xfs reads the structures of an XFS file system: what is free, which inodes there are, where their data lies and
// what directories name. It never writes.
//
//	group 0                                                         group 1
//	|SB|AGF|AGI|AGFL| b-trees: free, inodes, ... | inodes | data |log | |SB|AGF|AGI|AGFL| ...
//	   four sectors    AGF -> free by place (bno), by size (cnt), owners (rmap), reference counts
//	                   AGI -> inodes (ino), inodes with free places (fino)
//
// Blocks are counted over the whole volume here ("linear"): group number times blocks of a group, plus the block in the
// group. On the volume most numbers are relative to a group, or have the group in their upper bits.
//
// Sources: "XFS Algorithms & Data Structures", 3rd edition (kernel.org), chapters "Allocation Groups", "Journaling Log",
// "On-disk Inode", "Data Extents", "Directories", "Reference Count B+tree", and fs/xfs/libxfs/xfs_format.h,
// xfs_log_format.h and xfs_da_format.h of Linux for versions and limits.
//
// Read: versions 4 and 5, all sector, block, inode and directory block sizes, sparse inodes, free inode, reverse mapping
// and reference count b-trees, 64-bit extent counters, parent pointers. Not read (*UnsupportedError): realtime
// sections, a log on another device, metadata directories, zones, features that are not known.
//
// Guaranteed: checksums, owners and places of version 5 structures are proven before they are believed; numbers are
// bounded before anything is allocated. Walks over trees tell the caller of each block before it is read: the caller
// ends loops by refusing a block that it has seen. Not proven: reverse mappings, hash parts of directories, the content
// of attributes.
package xfs
