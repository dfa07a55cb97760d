// Package capture turns a disk into chunks and a manifest.
//
//	disk --imaging/disk---> partitions --imaging/volume--> streams, fills, don't-care
//	streams --cut--> chunks --plan--> in disk order --read--> content --hash--> ids --Sink.Missing--> wanted
//	wanted --seal--> frames --Sink.Put-->                                        '--> manifest.Table, names table
//
// Each stream is cut at multiples of chunk.MaxSize of its own bytes. A chunk's content is the stream's bytes; holes,
// unwritten extents and the free bytes behind a file's end count as zeros. A chunk without a place on the disk is not
// mentioned at all, and one of zeros only becomes a fill. All chunks are planned first, then read in the order of their
// places, so that a disk that turns is swept; reading, hashing and sealing run beside each other in batches.
//
// Sources: imaging/DESIGN.md, sections "Classes", "Streams", "Chunk content" and "Capture".
//
// Guaranteed: the disk is only read; each kept byte is read once for its chunk (file systems read their own structures
// before that), don't-care bytes never; no two places of the manifest overlap and each volume's add up to what it uses,
// or Run fails; memory is bounded by batches, by some twenty bytes per chunk and by the manifest, and by a few bits per
// block of the volumes until all chunks are planned. Not guaranteed: anything about a disk that changes while it is read,
// which a caller must prevent.
package capture
