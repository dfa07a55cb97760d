// Package chunk names, compresses and frames the pieces of streams that masters are made of.
//
// A chunk is at most 256 KiB of one stream, cut at multiples of 256 KiB of that stream and named by the BLAKE3-256 of
// its content. A frame is a chunk as it is stored in a pack and sent over the wire. All integers are little-endian:
//
//	offset size
//	     0    4  magic "AFR0"
//	     4    1  codec: 0 = content as it is, 1 = one zstd frame (RFC 8878)
//	     5    3  zero
//	     8    4  length of the content in bytes, 1 ..= 262144
//	    12    4  length of the payload in bytes, 1 ..= 262144
//	    16   32  chunk id: BLAKE3-256 of the content
//	    48    8  XXH64 (seed 0) of bytes 0 ..< 48 followed by the payload
//	    56    n  payload
//
// Guaranteed: Open returns bytes only if their BLAKE3 is the frame's id. Not guaranteed: that a frame whose checksum is
// right has the right content; the checksum finds bit rot cheaply, only Open proves.
package chunk
