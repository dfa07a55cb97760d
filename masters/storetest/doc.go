// Package storetest is what a store and a library must stand, for their tests: a disk that loses power or refuses an
// operation at any moment chosen, and a suite that every implementation of a store passes.
//
//	disk := storetest.NewDisk()              for n := range all operations:
//	disk.CutAfter(n)                           run the work; it stops with ErrPowerCut
//	... use disk.FS() ...                      disk.Restart(kind)
//	disk.Restart(storetest.LoseUnsynced)       open again, check what must hold
//
// Kinds of cut are the ends of what POSIX permits: nothing unsynced survives; all names survive but no unsynced bytes;
// all names survive and half of the unsynced bytes. Not covered: drives that lie about a flush.
package storetest
