// Package cache keeps frames and manifests in a partition without file system, so that a computer can be reset, or
// brought to a staged version, without its server.
//
// Sources: imaging/DESIGN.md, sections Reset and Cache; the frame is that of masters/chunk. Integers are little-endian.
//
//	partition                                superblock, 4 KiB
//	        0  superblock                       0   8  magic "ARDCACH1"
//	   64 KiB  superblock                       8   4  format: 1
//	    1 MiB  segment 0                       12   4  bytes of a segment: 4 MiB, from 1 GiB on 16 MiB
//	           segment 1                       16  16  identity, drawn when the cache was made
//	           ...                             32   8  sequence, 1 ...: the valid one with the higher one counts
//	                                           40   4  number of versions that are kept, 16 at most
//	segment                                    48 32n  hashes of their manifests
//	        0  frame, frame, ...             4064  32  BLAKE3-256 of what is before
//	           zeros
//	           directory, whole blocks       trailer of a directory, 128 bytes
//	                                            0   8  magic "ARDSEGM1"
//	directory                                   8  16  identity
//	    48 each  entries                       24   4  number of the segment
//	             zeros                         28   4  entries
//	       128   trailer                       32   8  sequence, 1 ...: of two copies the higher one counts
//	                                           40   4  bytes of frames
//	entry                                      96  32  BLAKE3-256 of the directory before it
//	     0  32  id of the chunk, or hash of the manifest
//	    32   4  offset in the segment        head of a manifest: the content of its frame
//	    36   4  bytes                           0  32  hash of the manifest
//	    40   4  0 chunk, 1 head                32   8  bytes of the encoded manifest
//	    44   4  zero                           40   8  bytes of the encoded names table
//	                                           48  12  number of its pieces, of the names', bytes of the signature
//	                                           64      ids of pieces of 256 KiB, of the names', signature as JSON
//
// Guaranteed: every frame that Fetch yields was proven by its BLAKE3 just then; whatever lies in the partition, and
// wherever the power was cut, nothing else is ever given. No length, count or offset read is believed before it was
// checked. A power cut loses at most what was put since the last Flush. What kept versions need makes room for nothing.
//
// Not guaranteed: that what is indexed can be read (a directory vouches for its frames only until the medium forgets, or
// somebody with root's rights writes there); Check tells. Signatures are kept and not judged.
package cache
