// Package notices holds the sentences that a person reads on the console and on the command line, French and English.
//
// Each notice has a stable code, a severity, what happened to which computer or thing, and what to do now. {what} is
// the thing, {detail} what is known beyond the code. The PC's own screen has its own file, imaging/agent/notices.
//
// Guaranteed, by a test: every refusal of fleet has a notice, every notice has both sentences in both languages, and no
// sentence blames with the word "error". Not guaranteed: that details, which come from below, are in French.
package notices
