// Package sweep reads the chunks of a manifest from a disk, in the order of the disk and on all cores, and hashes them.
//
//	table of entries ---- next batch: neighbours, 1 MiB of pieces ---- one lock, a moment
//	                           |            |            |
//	                        read, judge  read, judge  read, judge      each worker with a buffer of its own
//
// What a worker has read it judges itself, while it is still in the cache of its core. Pieces that lie next to each other
// are read at once, gaps of up to 16 KiB between them included.
//
// Found.ID is the id of what was found: BLAKE3 of the pieces, with zeros where no piece is. A chunk of metadata is often a
// block of 4 KiB in 256 KiB of such zeros, so those are not hashed but looked up: the tree of BLAKE3 is built from its
// leaves ("BLAKE3, one function, fast everywhere", sections 2.1 and 2.4 to 2.6), and subtrees of zeros are always the same.
//
// Guaranteed: every entry that is not skipped is judged exactly once, unless the context ends or a judge fails; an entry
// that cannot be read is judged as such, and costs its neighbours nothing. Not guaranteed: the order in which batches are
// judged. Memory: a buffer of 1 to 8 MiB a worker, kept for the next sweep.
package sweep
