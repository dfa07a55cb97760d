// Package exfat reads the structures of an exFAT file system: what is allocated, which clusters are bad, what
// directories name and where it lies. It never writes.
//
//	sector  |0 boot|1-8 code|9 OEM|10|11 sums|12-23 the same again| ... |FAT| ... |cluster 2|cluster 3| ...
//	root    |81 bitmap|82 up-case table|83 label|85 file, C0 stream, C1 name, C1 name|85 ...|00
//
// Clusters are counted from 0 here, two less than on the volume.
//
// Source: Microsoft's exFAT file system specification, revision 1.00, sections "Main and Backup Boot Regions", "File
// Allocation Table Region", "Directory Structure", "Directory Entry Definitions".
//
// Guaranteed: checksums of boot regions, up-case table and sets of entries are proven; numbers are bounded before anything
// is allocated; a chain of clusters ends after as many as the volume has. Not read: two allocation tables (TexFAT,
// *UnsupportedError). Not proven: hashes of names, that two clusters of different files differ (the caller knows).
package exfat
