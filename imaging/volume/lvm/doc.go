// Package lvm reads what LVM2 keeps about a physical volume: which of its bytes belong to which logical volume.
//
//	sector 0..3   label    "LABELONE", sector, CRC, "LVM2 001", then the header: UUID, size, places of data and metadata
//	4096 ...      metadata area: header of 512 bytes, then a ring of text; the header says where the text in force lies
//	pe_start ...  physical extents, each extent_size bytes
//	(end)         a second metadata area, where one was asked for
//
// The text describes the whole volume group:
//
//	salle { extent_size = 8192 ... physical_volumes { pv0 { pe_start = 2048 ... } }
//	        logical_volumes { root { segment1 { start_extent = 0 ... stripes = [ "pv0", 0 ] } } } }
//
// Sources: the headers of LVM2 (lib/format_text/layout.h, lib/label/label.h) for the structures and the first value of
// the checksum; lvm(8) and vgcfgbackup(8) for the text; seen in metadata that LVM 2.03 wrote.
//
// Guaranteed: checksums hold, every segment lies on extents of this volume, no extent belongs to two segments, and a
// logical volume has no gap. What is spread over several physical volumes, and every segment that is not linear, is an
// UnsupportedError. Input is hostile: at most 4 MiB of text, depth and numbers bounded. Not guaranteed: anything about
// the content of logical volumes.
package lvm
