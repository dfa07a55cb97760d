// Package hive looks up numbers in a Windows registry hive, so that a capture can tell how the Windows on a volume is
// set up.
//
//	0       4096                                   offsets inside count from 4096
//	|regf   |hbin|cell|cell|cell...|hbin|cell...|
//	 root ---------> nk key --> lf, lh, li, or ri of these --> nk key ...
//	                   '------> list of values --> vk value --> data, or the number itself
//
//	cell    |-size|what it holds                  |       negative: in use
//	nk      |"nk"|flags|...|subkeys: count, list|values: count, list|...|name|
//	vk      |"vk"|name length|data size and place|type|flags|name|
//
// Sources: the registry file format as described by M. Suhanov's "Windows registry file format specification", sections
// "Base block", "Hive bins data", "Cell", and by the libyal project's document on REGF; files that hivexsh writes and
// reglookup reads.
//
// Guaranteed: the file is only read; a lookup reads a bounded number of cells, follows no list deeper than the format
// has them, allocates nothing by an unchecked size and ends, whatever the bytes are; what cannot be understood is a
// *DamageError that names the structure. Not guaranteed: changes that Windows has written to the logs beside a hive and
// not yet to the hive itself are not seen; security, classes and data of other types than numbers are not looked at.
package hive
