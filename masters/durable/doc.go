// Package durable is the few file operations that masters are kept with, as a seam.
//
// Behind the seam is the host's file system (OS), or in tests one that loses power. What POSIX promises, and no more:
//
//	written bytes            survive a power cut once File.Sync returned
//	a new, renamed or        survives once SyncDir of its folder returned; until then the folder
//	removed name             may show the state before or after
//	Rename                   is atomic: a name means the old file or the new one
//
// Guaranteed: WriteFile replaces a file so that a reader, at any moment and after any power cut, finds the old content
// or the new. Not guaranteed: honest drives.
package durable
