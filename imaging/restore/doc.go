// Package restore makes a disk equal to a master, writing only what differs, and proves it by reading back.
//
// Deploy, reset, verification and resuming are one question: does the disk already hold this chunk? It is answered by
// hashing the chunk's pieces on the disk, in the order of their stream, holes as zeros. What differs is fetched, or
// copied from another place on the disk that holds the same, and written in the order of imaging/DESIGN.md:
//
//	scan -- nothing differs ---------------------------------------------> proven, no mark
//	  |
//	  v  mark, flush; table with ARDOISE alone; heads zeroed, ESP first, flush   (break)
//	  v  file data, fills                                                        (data)
//	  v  metadata, exceptions, flush                                             (metadata)
//	  v  heads, ESP last, flush; the master's table, primary GPT last, flush     (heads)
//	  v  caches dropped, everything read again; if quick, what was written       (verify)
//	     mark taken away, flush ------------------------------------------> proven
//
// With a Carousel (a multicast session) chunks come by themselves, in the sender's order, while a scanner looks at the
// disk ("Receiving from a session"):
//
//	probe --> scanner: unknown --> held or missing --> Needs
//	Take --> prove --> judge where unknown --> break, once --> write to all places --> held
//	then what is still missing, and fills, exceptions, heads, table, read back: as above
//
// Guaranteed, as far as the Target's Flush and Drop are honest: at every moment a power cut leaves either a standing
// mark, or heads that are missing, or a disk that holds the master; success is reported only after every kept and fill
// byte, every exception and the table were read from the medium, but for what Options.Vouched knows, and what was written
// after it was written. Not guaranteed: bytes that the manifest does not care about; that a disk without ARDOISE remembers
// whose work is unfinished (the server's mark does).
//
// Memory: the manifest, 44 bytes a chunk that differs, at most 72 MiB for reading and 16 MiB for fetching and writing;
// where Options.Vouched knows something, 8 MiB of what files held; with a Carousel, before that, 14 bytes a chunk, 33 MiB for taking and half of the 72 MiB for reading.
package restore
