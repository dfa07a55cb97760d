// Package orders shows, on a virtual PC with real firmware, what is ordered of a computer besides deploying and capturing:
// one chain of orders through the API, without the PC being switched off in between.
//
//	PC      firmware, disk, card        what it shows
//	chores  BIOS, NVMe, virtio          enrolled -> deployed -> inventory, with the health of the disk -> verified: equal ->
//	                                    a script changes a file -> verified: differs, the file is named -> wiped by the drive's
//	                                    own Format, read from outside: nothing is left -> switched off
//
// The virtual drive knows NVMe Format with secure erase and no Sanitize, so that real system calls and a drive's real
// answers are part of it; Sanitize and ATA are tested in imaging/wipe on models.
package orders
