// Package crowd plays hundreds of agents at once, without machines: for tests and benches of fleet and console.
//
// Each agent has its own key, its own TLS connections and its own computer, invented from a seed: address, serial, model,
// disk. It speaks the real API of package job through the agent's own client: it says hello until somebody approves it,
// waits for tasks, and plays each of them step by step with a report a second, as a PC would that writes at the speed of
// its disk. What it cannot do is write: what it reports as proven was never on a disk, what it says that it wiped is there
// still. A capture alone is real, of an image; and who is asked to takes part in the sessions of its tasks, by HTTPS, without
// ever needing anything.
//
//	Member --hello, task, report--> daemon (TLS 1.3, its own key)
//
// Guaranteed: the same seed makes the same computers. Not guaranteed: that a crowd behaves as badly as real PCs do.
package crowd
