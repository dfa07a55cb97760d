// Package kmod picks the kernel modules that a boot environment carries, with all they need.
//
// The kernel's package holds some four thousand modules; the boot environment wants a few hundred. depmod(8) has written
// down for each what it needs (modules.dep), what it asks for without needing (modules.softdep) and which hardware it
// drives (modules.alias). A Table is these files in memory; Closure follows them from a wish list; Index writes them
// again for the chosen modules alone.
//
//	modules.dep      kernel/drivers/net/usb/r8152.ko.xz: kernel/drivers/net/mii.ko.xz kernel/drivers/usb/core/usbcore.ko.xz
//	modules.alias    alias usb:v0BDAp8153d* r8152
//	modules.softdep  softdep r8169 pre: realtek
//
// In the boot environment there is no modprobe(8) that the kernel could call, so a module that is loaded "before" by soft
// dependency would never come: r8169 would find no driver for its own transceiver, ext4 no CRC32C. Index therefore
// writes such modules into modules.dep like needed ones, last on the line and so loaded first. Where several modules
// offer the same algorithm, only the portable one is entered: the others refuse to load on a CPU without the instruction.
//
// Modules are stored xz-compressed by Debian and handed out unpacked; Debian's signature lies at their end, inside.
//
// Sources: depmod(8), modules.dep(5), kmod's libkmod-softdep; Linux Documentation/admin-guide/module-signing.rst.
package kmod
