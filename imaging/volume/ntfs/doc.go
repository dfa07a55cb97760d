// Package ntfs reads the on-disk structures of an NTFS volume: where each file's bytes lie, which clusters are in use,
// and in which state Windows left it.
//
//	boot sector --> $MFT, record 0 --> where all other records lie
//	                  record 3 $Volume    version, label, "dirty"
//	                  record 2 $LogFile   restart pages: clean, pending, cached by fast startup
//	                  record 6 $Bitmap    one bit a cluster
//	                  record 8 $BadClus   clusters that must never be read
//
//	record    |FILE|fix-ups|header|attribute|attribute|...|end|          512 to 65,536 bytes, each 512 protected
//	attribute |type|length|name|value                          |         resident: the value is here
//	          |type|length|name|first and last VCN|sizes|runs  |         non-resident: clusters of the volume
//	runs      |n:m|m bytes of count|n bytes of signed distance| ...|0|   n = 0: a hole
//
// What does not fit into one record goes on in extension records, which $ATTRIBUTE_LIST names. $MFT is a file like any
// other, itself in pieces and perhaps with such a list. A virtual cluster number (VCN) counts clusters of a file, a logical
// one (LCN) clusters of the volume.
//
// Sources: the on-disk layout as described by the Linux-NTFS project's documentation ("Concepts": File Record, Fixup, Data
// Runs, Attribute List; "Files": $MFT to $Extend) and the structure comments of ntfs-3g's layout.h and logfile.h; the NTFS
// and hibernation documents of the libyal projects; behaviour of ntfs-3g, mkntfs and chkdsk, observed.
//
// Guaranteed: the volume is only read; each run that is returned lies inside the volume; no loop and no allocation is
// bounded by an unchecked number, whatever the bytes are; what cannot be understood is a *DamageError that names the
// structure. Not guaranteed: that two files do not claim one cluster, or that $Bitmap agrees with the files: who needs
// that compares them. Directories' indexes are not read: names come from the files' own records.
package ntfs
