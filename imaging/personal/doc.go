// Package personal finds which bytes of a master's volumes a computer's name and keys replace, so that a room of PCs from
// one master is not a room of equal names.
//
//	manifest + store --> MasterDisk --> Plan(Values) --> exceptions: offset, expected bytes, path of the file
//	                     (master's bytes)                     |
//	                                   signed with the task, laid over chunks by restore, checked by verify
//
//	file          ext2, ext3, ext4 (a partition's or a logical volume's)        NTFS
//	content       written blocks that the file has, the rest of them zeros      clusters that it has, or its record
//	length        i_size and the inode's checksum                               sizes in the record and in the directory
//
// Nothing is ever mounted and nothing is allocated: the file must be there in the master, with room. What a file lacks is
// said in Skipped, with how the master is to be prepared.
//
// Sources: ext4 as in imaging/volume; NTFS as in imaging/volume/ntfs; hostname(5), machine-id(5), hosts(5); OpenSSH's
// PROTOCOL.key for private keys, RFC 8709 and RFC 5656 for public ones; RFC 1123 section 2.1 for names.
//
// Guaranteed: exceptions lie inside volumes that were captured by file, never overlap, and only hold bytes that differ
// from the master's or lie between such; the same master and Values always give the same exceptions; time and memory are
// bounded whatever the master's bytes are. Not guaranteed: that two computers got different values, which is for who
// calls. Not here: joining a domain, which comes later; SSH keys on Windows; file systems other than ext and NTFS.
package personal
