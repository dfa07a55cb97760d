// Package boot is what a process must do that the kernel starts first: mount, load drivers, get an address, reap, end.
//
// Sources: kernel documentation initramfs buffer format (newc), kmod's modules.alias(5), modules.dep(5) and
// modules.softdep, Documentation/admin-guide/kernel-parameters, RFC 2131 (DHCP) 4.4.5, RFC 3442 (classless routes),
// PXELINUX's BOOTIF convention.
//
//	PID 1 (supervisor)                      PID n (agent, the same binary)
//	  Mount                                   Parameters of /proc/cmdline
//	  Supervise -- starts, reaps -------->    Drivers.LoadAll ... Network.Up ... its work
//	            <-- exit status = ending --   exits
//	  End: kill, unmount, sync, reboot
//
// Two processes, because a panic in any goroutine, a fatal fault of the Go runtime and the kernel's out-of-memory killer
// all end the process they meet, and the end of PID 1 is a kernel panic: a black screen. The supervisor does so little
// that it has nothing to fail at; it tells on the screen what became of the agent and restarts the PC.
//
// Guaranteed: no archive of stage two writes outside the root it is unpacked to, nor more than its limits; a driver that
// is missing or refused never stops the others. Not guaranteed: that a PC whose only driver is missing gets anywhere; it
// says what it waits for.
package boot
