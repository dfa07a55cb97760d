// Package store keeps chunks as frames in packs: files that are written once, from front to end, and never changed.
//
// A pack, all integers little-endian; its file is named by its number, 0000000017.pack:
//
//	size
//	  16  preamble: magic "ARDPACK0", format version (4), zero (4)
//	   n  frames, end to end, in the order they came: the order of the disk (package chunk)
//	44*c  footer, one entry a frame: chunk id (32), offset in the file (4), size of the frame (4), of the content (4)
//	  64  trailer: magic "ARDPEND0", c (4), zstd level of the recompression or 0 (4), offset of the footer (8), zero (8),
//	      BLAKE3-256 of the preamble, the footer and the 32 bytes of trailer before it
//
// The file "index" (drawn in index.go) says where every chunk lies, so that opening a large store reads one file. It is a
// cache: what is missing, torn or stale in it is read from the packs, which alone are the truth. The file "quarantine"
// names frames that were found damaged.
//
//	capture      session            pack N.tmp            N.pack       memory index
//	  |-- Missing -->| known? pinned    |                   |               |
//	  |<-- no, yes --|                  |                   |               |
//	  |-- Put ------>| proven ------->frames                |               |
//	  |-- Flush ---->|             fsync, footer, fsync --rename, fsync of the folder --> known
//
//	Collect, Recompress                pack M.tmp            M.pack       memory index       N.pack
//	  mark: sessions, versions
//	  N is poor: frames it needs ------->frames
//	                               fsync, footer, fsync --rename, fsync -> M instead of N
//	                                                                  index file, nobody reads N -> removed
//
// Guaranteed: a chunk is known (Has, Get, Fetch) only once its pack is durable under its final name; Flush returns
// without error only if every chunk that the session put, or was told is here, is; what is read passes its checksum or is a
// *chunk.DamagedError that names the chunk; a chunk that Missing said is here stays until the session ends, and one that
// Live names stays, whatever upkeep runs beside; nothing is stored whose content is not what its id says. A crash leaves a
// *.tmp at most, which the next Open removes. Not guaranteed: that a frame of right checksum has the right content
// (chunk.Codec.Open proves it); that a chunk told to be here by Missing, in a pack that is still open, gets there: then
// Flush fails and asking again says so. One process at a time: who opens a store holds the lock above it.
package store
