// Package doctor looks at what a daemon lives in: its folder, the space and the clock of the host, the boot environment
// and the ports. Who answers DHCP is asked by the command, which knows the boot server.
//
// Each look is one line: ok, warn (works, but a person should know) or bad (something will not work), with a hint.
// Sources: statfs(2), adjtimex(2) for whether the clock is kept in step, boot.json for what the boot environment holds.
//
// Guaranteed: nothing is changed, and a port that is tried is given back at once. Not guaranteed: that what was fine a
// moment ago still is.
package doctor
