// Package local keeps what a computer starts from its own disk as the server wants it: ARDOISE's boot files, its menu,
// the standing grant, and the boot code of BIOS disks.
//
//	server's LocalBoot (over the proven connection)
//	   |  files by hash, menu, grant
//	   v
//	Install -- disk.Ardoise.Keep: hash what is there --- equal: nothing is written, nothing fetched
//	   |                               \-- else: from the disk's other generation, else Fetch
//	   |-- GRANT slot, a lower counter is refused
//	   \-- BIOS: boot.img in the disk's first sector, the master's code kept beside it; not a menu room: put back
//
// Sources: DESIGN.md sections 9 and 10. Guaranteed: it runs at every contact and writes nothing when all is right;
// cut at any write, what started before starts, or the new; a file is believed for its hash alone. Not guaranteed: that
// somebody who is root on that computer has not changed all of it since, until the next contact.
package local
