// Package rates keeps how fast the computers of each job took bytes from the network and worked on their disks, over time: the
// curve that a person looks at while a job runs, and in its report.
//
// Source: section 11 of the project's design. What each computer reports once a second are counts that grow; differences of
// two reports are spread over the time between them.
//
//	report t1 --+                 +--------+--------+--------+
//	            | bytes, evenly   | 2 s    | 2 s    | 2 s    |  when 360 are full each two become one: 4 s, 8 s, ...
//	report t2 --+  ------------>  +--------+--------+--------+
//
// The curve of a job in which nothing runs any more is given to the store, so that a report has it after a restart. Multicast
// sessions keep their own curve, of what they send; a job with one has a curve here only as long as the daemon runs.
//
// Guaranteed: a curve has at most 360 points and the curves in memory are bounded, whatever happens for however long; what a
// computer claims cannot make a curve wrong by more than a line of 160 Gb/s carries. Not guaranteed: a curve over a restart of
// the daemon in the middle of a job: it begins anew.
package rates
