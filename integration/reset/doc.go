// Package reset proves on PCs with real firmware what a pupil sees: with the server off, "Remettre à zéro" in the menu of
// the PC's own disk makes a PC clean whose files somebody has damaged, from the cache behind ARDOISE, and its own system
// comes up. The room, the deployment, the menu, the grant and the cache are made as a technician makes them: by orders to
// the daemon. A PC that loses its power in the middle of it goes on by itself at the next start, whatever is chosen. The
// tests need root and the files of `make build golden`; each prints the phases of its PCs.
package reset
