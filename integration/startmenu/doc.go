// Package startmenu proves that PCs with real firmware start the menu of ARDOISE from their own disk with the server off:
// that firmware takes our loader under Secure Boot and our boot code under BIOS, that GRUB finds its menu and the
// generation that counts, and that every entry does what it says. Disks and firmware variables are made by the packages
// that the agent uses, from outside the PC. The tests need root and the files of `make build golden`.
package startmenu
