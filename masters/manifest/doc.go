// Package manifest describes a version of a master: its disk, partitions, volumes, chunks and where each goes.
//
// A manifest and a names table are both a preamble and sections of blocks, so that they are written and read as streams
// in bounded memory. Integers are little-endian; varints are those of encoding/binary; "zigzag" ones are signed.
//
//	manifest                                        names table
//	  8  magic "ARDMANIF"                             8  magic "ARDNAMES"
//	  4  format version: 1                            4  format version: 1
//	  4  zero                                         4  zero
//	     section HEAD  canonical JSON                    section NAME  records
//	     section IDS_  32 bytes an entry              8  number of records
//	     section LENG  256 KiB - length
//	     section STRM  zigzag: - stream before      section
//	     section INDX  zigzag: - (index before + 1)   4  tag
//	     section PCNT  pieces of the entry               blocks
//	     section PIEC  pieces                         8  zero: the end
//	     section FILL  fills
//	     section DONT  don't-care extents           block
//	                                                  4  length of the content, 1 ..= 262144
//	piece  at - end of the piece before               4  length as stored, 1 ..= content
//	       entry's length - at - length                  content as it is if both are equal, else one zstd frame
//	       zigzag: offset - end of the piece before
//	fill   offset - end before, length, byte, stream
//	don't  offset - end before, length
//	record stream - (stream before + 1), volume, number, size, bytes shared with the path before, bytes that follow, these
//
// HEAD holds everything that is not in a column, and the number of entries, pieces, fills and don't-care extents. It
// must be byte for byte what encoding/json makes of it, so that one manifest has one encoding.
//
// Guaranteed: what Decode returns is consistent: every place lies on the disk and in a volume, no two places overlap,
// every stream number is below NameCount, what volumes say they use is what the columns say. Decoding takes at most 80
// bytes a chunk of one piece. Not guaranteed: that it is what was signed; whoever decodes compares the hash and checks
// the signature, both before a byte goes to a disk.
package manifest
