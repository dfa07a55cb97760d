// Package diff tells which files two versions of a master hold differently.
//
//	manifest A --> content of each stream, 16 bytes --+
//	names A ---> volume, path ----------+             |      removed, changed  (in A's order)
//	                                    +--> match ---+-->
//	names B ---> volume, path ----------+             |      added             (in B's order)
//	manifest B --> content of each stream, 16 bytes --+
//
// A stream's content is the sum of what its chunks are and where in the stream they lie; holes and zeros have no chunks,
// so that a file is the same file wherever it lies on the disk and however it is allocated. Files are matched by volume
// (its partition's number) and path, through a table of 24 bytes a file: names are streamed and never all in memory.
//
// Guaranteed: names are proven against both manifests before one is told; every file whose content or size differs is
// told once. Not guaranteed: attributes, times, rights, and files that have no place of their own on the disk (empty ones,
// those inside an inode or record): they lie in the volume's metadata, and are told as that. A volume that was not cut by
// files is told as bytes. A file that was moved is told as removed and added.
package diff
