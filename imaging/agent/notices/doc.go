// Package notices holds every sentence that a person reads on the screen of a PC while the agent runs.
//
// A notice is a stable code, a severity, what happened and what to do now, in French and English. The code is what a
// technician reads out on the telephone, what the server keeps in an outcome, and what the documentation is indexed by.
//
// Only characters of code page 437 are used: it is what the font that the kernel carries for a text screen can show.
// Arguments are inserted with fmt verbs; both languages use the same verbs in the same order.
//
// Guaranteed, by a test that walks them: both languages, both sentences, no bare "error", nothing the font lacks.
package notices
