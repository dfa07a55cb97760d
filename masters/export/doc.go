// Package export carries one version of a master in one file: to a shelf, to another site, back after a disaster.
//
// The file, all integers little-endian:
//
//	size
//	  16  preamble: magic "ARDEXPO0", format version 1 (4), zero (4)
//	  16  "SIGN", zero (4), length (8)    then the JSON of the manifest's signature
//	  16  "MANI", zero (4), length (8)    then the encoded manifest, as it was signed (package manifest)
//	  16  "NAMS", zero (4), length (8)    then the encoded names table
//	  16  "FRAM", zero (4), count (8)     then so many frames, each chunk of the manifest once, in the order in which the
//	                                      manifest first names it (package chunk)
//	  56  trailer: magic "ARDEXEND", count of frames (8), bytes before the trailer (8), their BLAKE3-256 (32)
//
// It proves itself: the signature covers the manifest's hash, the manifest the names' hash and every chunk's id, the id
// the chunk's content. The trailer tells a whole file from one cut short, and finds rot before anything is decompressed.
//
//	FILE.part   grows; after an interruption its sound beginning is kept: prefix compared, frames by their checksums
//	FILE        the rename of FILE.part, once that is whole and durable
//
// Guaranteed: Write proves every chunk's content before it is in the file, and FILE is whole or not there. Import
// publishes only what is whole, signed by a key of this site or one that was named for it, and complete; what it has
// stored of an import that was interrupted it does not store again. Not guaranteed: that two exports of a version have
// the same bytes: frames may have been compressed anew in between.
package export
